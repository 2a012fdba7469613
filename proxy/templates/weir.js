// What makes the console quicker. Every page works without it.
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // A filter holds as soon as it is chosen.
  for (const form of all("form[data-auto]")) {
    form.classList.add("auto");
    form.addEventListener("change", (event) => {
      if (event.target.type === "checkbox" || event.target.type === "radio") form.requestSubmit();
    });
  }
  // What a form says nothing of stays out of the address, except the one that marks a filter taken away.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "get") return;
    const marks = all('[name="image_status"]', form);
    const named = marks.some((field) => field.value && (field.type !== "checkbox" || field.checked));
    for (const field of all("input[name]", form)) {
      if (field.value === "" && !(field.name === "image_status" && !named)) field.disabled = true;
    }
    setTimeout(() => all("input[name]:disabled", form).forEach((field) => (field.disabled = false)), 0);
  });
  addEventListener("pageshow", () => all("form input:disabled").forEach((field) => (field.disabled = false)));

  // On a narrow page the filter is shut at first.
  if (matchMedia("(max-width: 60rem)").matches) all("details.narrow").forEach((part) => (part.open = false));

  // Selecting rows: how many, and all of them.
  for (const form of all("form[data-rows]")) {
    const boxes = all('td.pick input[type="checkbox"]', form);
    const button = one("[data-except],[data-cancel]", form);
    if (!boxes.length || !button) continue;
    const text = button.textContent;
    const head = one("thead th.pick", form);
    const every = document.createElement("input");
    every.type = "checkbox";
    every.setAttribute("aria-label", "Select all rows");
    head.append(every);
    const tell = () => {
      const count = boxes.filter((box) => box.checked).length;
      button.disabled = count === 0;
      button.textContent = count ? text.replace("selected", `${count} selected`) : text;
      every.checked = count === boxes.length;
      every.indeterminate = count > 0 && !every.checked;
    };
    every.addEventListener("change", () => {
      boxes.forEach((box) => (box.checked = every.checked));
      tell();
    });
    form.addEventListener("change", tell);
    addEventListener("pageshow", tell);
    tell();
  }

  // The form for exceptions opens over the list. Its address is the same with and without that.
  const open = async (address) => {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const content = one("[data-dialog]", page);
    if (!answer.ok || !content) return location.assign(address);
    let dialog = one("#over");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.id = "over";
      document.body.append(dialog);
      dialog.addEventListener("close", () => dialog.remove());
    }
    dialog.replaceChildren(document.adoptNode(content));
    const title = one("h1", dialog);
    if (title) {
      title.id = "over-title";
      dialog.setAttribute("aria-labelledby", title.id);
    }
    if (!dialog.open) dialog.showModal();
    enhance(dialog);
  };
  // Previews follow what is chosen; a button that leads back closes.
  const enhance = (root) => {
    const form = one("form[data-preview]", root);
    if (!form) return;
    const over = root.matches?.("dialog");
    const save = one("button.main", form);
    let latest = 0;
    const preview = async () => {
      const mine = ++latest;
      const fields = new FormData(form);
      // What proves that the form is weir's own has no place in an address.
      fields.delete("csrf");
      // What is not shown yet is not saved.
      save.setAttribute("aria-disabled", "true");
      try {
        const answer = await fetch("/exceptions/new?" + new URLSearchParams(fields), { headers: { accept: "text/html" } });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const [now, then] = [one("#preview", form), one("#preview", page)];
        if (mine === latest && answer.ok && now && then) now.replaceWith(document.adoptNode(then));
      } finally {
        if (mine === latest) save.removeAttribute("aria-disabled");
      }
    };
    form.addEventListener("change", (event) => {
      if (event.target.name !== "reason") preview();
    });
    form.addEventListener("submit", (event) => {
      const again = event.submitter?.value === "preview";
      if (again || save.hasAttribute("aria-disabled")) event.preventDefault();
      if (again) preview();
    });
    if (over) {
      all("a[data-close]", root).forEach((link) =>
        link.addEventListener("click", (event) => {
          event.preventDefault();
          root.close();
        }),
      );
    }
  };
  enhance(document);
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches('form[action="/exceptions/new"][data-rows]')) return;
    event.preventDefault();
    open(form.action + "?" + new URLSearchParams(new FormData(form)));
  });

  // Keys. They rest while something is written, and while a dialog is open.
  const rows = () => all("form[data-rows] tbody tr, table[data-rows] tbody tr");
  const at = () => one("tr.at");
  const step = (by) => {
    const list = rows();
    if (!list.length) return;
    const now = list.indexOf(at());
    const next = list[now < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(now + by, 0), list.length - 1)];
    at()?.classList.remove("at");
    next.classList.add("at");
    (one("th a, td a", next) ?? next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  const keys = {
    "/": () => one("#q")?.select(),
    j: () => step(1),
    k: () => step(-1),
    x: () => one(".pick input", at() ?? document.createElement("tr"))?.click(),
    e: () => {
      const button = one("[data-except]:not(:disabled)");
      if (button) button.click();
    },
    "?": () => one("#keys")?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const on = event.target;
    const writes = on.matches?.("textarea,select,[contenteditable]") ||
      (on.matches?.("input") && !["checkbox", "radio"].includes(on.type));
    if (writes || one("dialog[open]") || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
    if (event.key === "/") one("#q")?.focus();
  });
})();
