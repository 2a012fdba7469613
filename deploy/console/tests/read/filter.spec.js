// Behaviour 10 and the rule behind it: one filter, and API, console and CSV say the same by it.
import { pairwise } from '../support/pairs.js'
import { csv, listed, number, read } from '../support/table.js'
import { api, ask, expect, facts, items, test } from '../support/world.js'

const { prod, edge } = facts.clusters
const SEVERITIES = ['critical', 'high', 'medium', 'low']
// Not given, and values that mean something here and that mean nothing here.
const PARAMETERS = {
  cluster: [null, 'prod', 'edge', ['prod', 'edge']],
  namespace: [null, prod[2], edge[0], ['billing', 'sensors'], 'nowhere'],
  label: [null, 'team', 'team=checkout', ['team=platform', 'app']],
  image_status: [null, 'running', 'idle', ['running', 'idle']],
  scan_status: [null, 'complete', ['failed', 'no_access'], 'unsupported'],
  severity: [null, 'critical', ['medium', 'low']],
  fixable: [null, 'true', 'false'],
  known_exploited: [null, 'true', 'false'],
  except: [null, 'active', 'excepted', 'all'],
  repository: [null, facts.images.old.repository, [facts.images.demo.repository, facts.images.tool.repository]],
  q: [null, 'shop', 'CVE-2023-4863', 'LODASH', 'nothing has this'],
  pulled: [null, 'true', 'false'],
  ran: [null, 'true', 'false'],
}

const queries = pairwise(PARAMETERS).map((row) => {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(row)) [value].flat().filter(Boolean).forEach((one) => query.append(name, one))
  return query
})

// A cell as CSV writes a value: the parts of lists and maps in one cell, and what a spreadsheet would run behind a quote.
function cell(value) {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return guarded(value.map(String).join('; '))
  if (typeof value === 'object') return guarded(Object.entries(value).map(([name, part]) => `${name}=${part}`).join('; '))
  return typeof value === 'string' ? guarded(value) : String(value)
}
const guarded = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text)
const sorted = (text) => text.split('; ').sort().join('; ')

async function sameAsCsv(path, query, list) {
  const answer = await ask(`/api/v1/${path}?${new URLSearchParams([...query, ['format', 'csv']])}`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toContain('text/csv')
  const rows = csv(await answer.text())
  const columns = rows.length > 0 ? Object.keys(rows[0]) : []
  const expected = list.map(still).map((item) => Object.fromEntries(columns.map((column) => {
    const value = column.split('.').reduce((part, name) => part?.[name], item)
    return [column, sorted(cell(value))]
  })))
  const found = rows.map(still).map((row) => Object.fromEntries(Object.entries(row).map(([name, text]) => [name, sorted(text)])))
  expect(found, `${path} as CSV`).toEqual(expected)
}

// An image that runs was last seen to run at the last word of its cluster, which is later for who asks later.
const still = (item) => (item.image_status === 'running' ? { ...item, last_run: '' } : item)

// What a row of the console says, and what the API has for it.
const shown = (counts, of) => (counts === null ? null : of.map((severity) => counts.vulnerabilities[severity]))
const known = (row, names) => (names.some((name) => row[name].includes('not')) ? null : names.map((name) => number(row[name]) ?? 0))

test('the combinations cover every two values of every two parameters', () => {
  const names = Object.keys(PARAMETERS)
  expect(queries.length).toBeGreaterThan(20)
  for (const [at, name] of names.entries()) {
    for (const other of names.slice(at + 1)) {
      for (const value of PARAMETERS[name].filter(Boolean)) {
        for (const second of PARAMETERS[other].filter(Boolean)) {
          const has = (query, parameter, wanted) => query.getAll(parameter).join() === [wanted].flat().join()
          expect(queries.some((query) => has(query, name, value) && has(query, other, second))).toBe(true)
        }
      }
    }
  }
})

for (const [at, query] of queries.entries()) {
  test(`filter ${at + 1} of ${queries.length} means the same in API, console and CSV: ${query}`, async ({ page }) => {
    const [repositories, images, vulnerabilities, statistics] = await Promise.all([
      items('repositories', query),
      items('images', query),
      items('vulnerabilities', query),
      api('statistics', query),
    ])
    await sameAsCsv('repositories', query, repositories)
    await sameAsCsv('images', query, images)
    await sameAsCsv('vulnerabilities', query, vulnerabilities)

    // The statistics are what the lists add up to.
    expect(statistics.repositories).toBe(repositories.length)
    expect(statistics.images).toBe(images.length)
    const worst = Object.fromEntries(SEVERITIES.map((severity) => (
      [severity, vulnerabilities.filter((item) => item.severity === severity).length]
    )))
    const counted = statistics.vulnerabilities?.vulnerabilities
    expect(SEVERITIES.map((severity) => counted?.[severity] ?? 0)).toEqual(SEVERITIES.map((severity) => worst[severity]))
    expect(statistics.vulnerabilities?.fixable ?? 0).toBe(vulnerabilities.filter((item) => item.fixable).length)
    expect(statistics.vulnerabilities?.known_exploited ?? 0).toBe(vulnerabilities.filter((item) => item.known_exploited).length)
    expect(repositories.reduce((sum, item) => sum + item.images, 0)).toBe(images.length)

    // The console has the same rows in the same order, with the same numbers.
    const state = new URLSearchParams(query)
    if (!state.has('image_status')) state.append('image_status', '')
    await page.goto(`/?${state}`)
    const table = page.getByRole('table', { name: /repositories/i })
    const rows = repositories.length > 0 ? await read(table) : []
    if (repositories.length === 0) await expect(page.getByRole('heading', { name: /nothing matches/i })).toBeVisible()
    expect(rows.map((row) => row.repository.split(' ')[0])).toEqual(repositories.map((item) => item.name))
    expect(rows.map((row) => known(row, SEVERITIES))).toEqual(repositories.map((item) => shown(item.counts, SEVERITIES)))
    expect(rows.map((row) => number(row.workloads))).toEqual(repositories.map((item) => item.running_resources))
    expect(rows.map((row) => row.clusters)).toEqual(repositories.map((item) => listed(item.clusters)))

    // Its links to CSV and JSON are of this filter.
    for (const format of ['CSV', 'JSON']) {
      const link = page.getByRole('link', { name: format })
      const target = new URL(await link.getAttribute('href'), facts.report)
      target.searchParams.delete('format')
      target.searchParams.sort()
      const wanted = new URLSearchParams(query)
      wanted.sort()
      expect(target.pathname).toBe('/api/v1/repositories')
      expect(target.searchParams.toString()).toBe(wanted.toString())
    }

    await page.goto(`/vulnerabilities?${query}`)
    const found = vulnerabilities.length > 0 ? await read(page.getByRole('table', { name: /vulnerabilities/i })) : []
    const ids = found.map((row) => Object.values(row).map((text) => text.match(/CVE-\d+-\d+/)?.[0]).find(Boolean))
    expect(ids).toEqual(vulnerabilities.map((item) => item.id))
  })
}

test('a parameter that is not known, and a value that cannot be, are refused in so many words', async () => {
  for (const [query, words] of [
    ['clustre=prod', 'clustre'],
    ['severity=terrible', 'severity'],
    ['fixable=perhaps', 'fixable'],
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['cursor=made-up', 'cursor'],
    ['sort=beauty', 'sort'],
  ]) {
    for (const list of ['repositories', 'images', 'vulnerabilities']) {
      const answer = await ask(`/api/v1/${list}?${query}`)
      expect(answer.status, `${list}?${query}`).toBe(400)
      expect(answer.headers.get('content-type')).toContain('application/problem+json')
      expect((await answer.json()).detail).toContain(words)
    }
  }
})

test('a list in pages is the list', async () => {
  for (const list of ['repositories', 'images', 'vulnerabilities', 'resources']) {
    const whole = await items(list, { limit: 1000 })
    expect(await items(list, { limit: 3 }), list).toEqual(whole)
  }
})
