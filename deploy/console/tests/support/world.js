// The world the tests look at: its facts, its API, and pages of somebody who is signed in.
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test as base, expect } from '@playwright/test'

export { expect }
export const facts = JSON.parse(readFileSync(process.env.WEIR_FACTS, 'utf8'))
export const { images, tokens, report } = facts
export const ROLES = ['viewer', 'editor', 'administrator']
const output = process.env.WEIR_OUTPUT ?? join(tmpdir(), 'weir-console')

// The file with the cookies of a role that signed in, written by setup.js.
export const session = (role) => join(output, `${role}.json`)

// Where pictures go.
export const pictures = process.env.WEIR_SCREENSHOTS ?? join(output, 'screens')

// A request to the API by a role's token.
export function ask(path, { role = 'viewer', ...options } = {}) {
  const headers = { authorization: `Bearer ${tokens[role]}`, ...options.headers }
  return fetch(report + path, { ...options, headers })
}

// The document at a path of the API; `query` is an object or URLSearchParams.
export async function api(path, query = {}, role = 'viewer') {
  const text = new URLSearchParams(query).toString()
  const target = `/api/v1/${path}${text && `?${text}`}`
  const answer = await ask(target, { role })
  const body = await answer.text()
  expect(answer.status, `${target}: ${body}`).toBe(200)
  return JSON.parse(body)
}

// Every item of a list of the API, however many pages it has.
export async function items(path, query = {}) {
  const all = []
  const asked = new URLSearchParams(query)
  for (;;) {
    const page = await api(path, asked)
    all.push(...page.items)
    if (!page.next_cursor) return all
    asked.set('cursor', page.next_cursor)
  }
}

// Sends something to the API; answers with what it said, which must be a success.
export async function send(path, body, role = 'editor') {
  const headers = { 'content-type': 'application/json' }
  const answer = await ask(`/api/v1/${path}`, { role, method: 'POST', headers, body: JSON.stringify(body) })
  const text = await answer.text()
  expect(answer.ok, `${path}: ${answer.status} ${text}`).toBe(true)
  return text ? JSON.parse(text) : null
}

// The path of an image's page.
export const imagePath = (image) => `/images/${image.digest}`
export const repositoryPath = (image) => `/repositories/${image.repository}`

// `page` is of a viewer unless a file or group says otherwise by `test.use({ role })`; no page may have said an error when a test
// ends, and none may have asked anybody but weir.
export const test = base.extend({
  role: ['viewer', { option: true }],
  baseURL: report,
  storageState: async ({ role }, use) => use(role === null ? undefined : session(role)),
  // Answers that a test wants to be refusals.
  refusals: [[], { option: true }],
  page: async ({ page, refusals }, use) => {
    const said = []
    page.on('console', (message) => {
      const isRefusal = refusals.some((status) => message.text().includes(`status of ${status}`))
      const isOurs = page.url().startsWith(report)
      if (['error', 'warning'].includes(message.type()) && isOurs && !isRefusal) said.push(`${page.url()}: ${message.text()}`)
    })
    page.on('pageerror', (error) => said.push(`${page.url()}: ${error}`))
    const allowed = [report, facts.provider.issuer].map((url) => new URL(url).origin)
    page.on('request', (request) => {
      const url = new URL(request.url())
      // The pages of the provider that the tests start ask for fonts of others, which the browser does not reach.
      const isOurs = !request.frame().url().startsWith(facts.provider.issuer)
      if (isOurs && url.protocol.startsWith('http') && !allowed.includes(url.origin)) said.push(`asked for ${url}`)
    })
    await use(page)
    expect(said, 'no error on any page, and nothing from elsewhere').toEqual([])
  },
})
