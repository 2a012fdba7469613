// Combinations of parameters: few, and every two values of two parameters are together in one of them.

// Rows that cover every pair; `parameters` is an object of lists of values. Greedy and always the same.
export function pairwise(parameters) {
  const names = Object.keys(parameters)
  const key = (a, i, b, j) => `${a}=${i}&${b}=${j}`
  const open = new Set()
  names.forEach((a, at) => names.slice(at + 1).forEach((b) => {
    parameters[a].forEach((_, i) => parameters[b].forEach((_, j) => open.add(key(a, i, b, j))))
  }))
  const rows = []
  while (open.size > 0) {
    const [first] = open
    const chosen = Object.fromEntries(first.split('&').map((part) => part.split('=')).map(([name, at]) => [name, Number(at)]))
    for (const name of names) {
      if (name in chosen) continue
      const gain = (at) => names.filter((other) => other in chosen).filter((other) => (
        open.has(key(name, at, other, chosen[other])) || open.has(key(other, chosen[other], name, at))
      )).length
      const gains = parameters[name].map((_, at) => gain(at))
      chosen[name] = gains.indexOf(Math.max(...gains))
    }
    names.forEach((a) => names.forEach((b) => open.delete(key(a, chosen[a], b, chosen[b]))))
    rows.push(Object.fromEntries(names.map((name) => [name, parameters[name][chosen[name]]])))
  }
  return rows
}
