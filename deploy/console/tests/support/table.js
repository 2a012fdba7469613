// Tables as people read them: by the words of their heads.

// The rows of a table as objects of text by column head; `rows` are its body's rows.
export async function read(table) {
  return table.evaluate((element) => {
    const clean = (cell) => (cell.innerText ?? cell.textContent).replace(/\s+/g, ' ').trim()
    const heads = []
    for (const cell of element.querySelectorAll('thead tr:last-child > *')) {
      for (let span = 0; span < cell.colSpan; span += 1) heads.push(clean(cell).toLowerCase())
    }
    return [...element.querySelectorAll('tbody > tr')].map((row) => {
      const read = {}
      let at = 0
      for (const cell of row.children) {
        for (let span = 0; span < cell.colSpan; span += 1) read[heads[at + span]] = clean(cell)
        at += cell.colSpan
      }
      return read
    })
  })
}

// A number as pages write it, with its thousands apart; null for words that say that it is not known.
export function number(text) {
  const digits = text.replace(/[\s\u202f]/g, '')
  return /^\d+$/.test(digits) ? Number(digits) : null
}

// Names as a cell of a page lists them.
export const listed = (names) => names.join(', ') || '–'

// The rows of a CSV document (RFC 4180) as objects by column.
export function csv(text) {
  const rows = []
  let [row, field, quoted] = [[], '', false]
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at]
    if (quoted) {
      if (c === '"' && text[at + 1] === '"') [field, at] = [`${field}"`, at + 1]
      else if (c === '"') quoted = false
      else field += c
    } else if (c === '"') quoted = true
    else if (c === ',') [row, field] = [[...row, field], '']
    else if (c === '\n') {
      rows.push([...row, field.replace(/\r$/, '')])
      ;[row, field] = [[], '']
    } else field += c
  }
  if (field || row.length) rows.push([...row, field])
  const [heads, ...body] = rows
  return body.map((values) => Object.fromEntries(heads.map((head, at) => [head, values[at]])))
}
