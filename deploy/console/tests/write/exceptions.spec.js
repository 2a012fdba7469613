// Behaviours 23 to 30: what is decided leaves the list, is found again with its reason, and comes back.
import { read } from '../support/table.js'
import { api, expect, images, imagePath, items, repositoryPath, test } from '../support/world.js'

test.use({ role: 'editor' })

const table = (page, name) => page.getByRole('table', { name })
const rowOf = (page, name, words) => table(page, name).getByRole('row').filter({ hasText: words })
const notice = (page) => page.getByRole('status').filter({ hasText: /\S/ }).first()
const active = (query = {}) => items('exceptions', { state: 'active', ...query })

// Fills the form for exceptions, which is a page or lies over one, and sets what it says.
async function decide(page, reason, { kind } = {}) {
  const form = page.getByRole('dialog').or(page.getByRole('main')).filter({ has: page.getByLabel(/^reason/i) }).last()
  if (kind) await form.getByRole('radio', { name: kind }).check()
  await form.getByLabel(/^reason/i).fill(reason)
  await form.getByRole('button', { name: /^(set|except)/i }).click()
  await expect(notice(page)).toContainText(/set/i)
}

// Cancels what the page before selected, after the form has listed it.
async function cancel(page, reason, ...listed) {
  const form = page.getByRole('dialog').or(page.getByRole('main')).filter({ has: page.getByLabel(/^reason/i) }).last()
  for (const words of listed) await expect(form).toContainText(words)
  await form.getByLabel(/^reason/i).fill(reason)
  await form.getByRole('button', { name: /^cancel (the |this |these )?(\d+ )?exception/i }).click()
  await expect(notice(page)).toContainText(/cancelled/i)
}

test('23 to 26 several vulnerabilities at once: checkbox, Except, a reason; they leave and the statistics follow', async ({ page }) => {
  const ids = ['CVE-2019-10744', 'CVE-2020-8203']
  const query = { image_status: 'running', repository: images.old.repository }
  const before = await api('statistics', query)
  await page.goto(imagePath(images.old))
  for (const id of ids) await page.getByRole('checkbox', { name: new RegExp(`^select ${id}`, 'i') }).first().check()
  await page.getByRole('button', { name: /except.*selected/i }).click()
  const preview = page.getByRole('dialog').or(page.getByRole('main')).last()
  for (const id of ids) await expect(preview).toContainText(id)
  // It says what it would hide before it does.
  await expect(preview).toContainText(/\d+ (findings?|images?|vulnerabilit)/i)
  await decide(page, 'lodash is only used while building', { kind: /false positive/i })
  for (const id of ids) await expect(rowOf(page, /vulnerabilities/i, id)).toHaveCount(0)
  const after = await api('statistics', query)
  const count = (statistics) => statistics.vulnerabilities.vulnerabilities
  expect(after.excepted_vulnerabilities).toBe(before.excepted_vulnerabilities + ids.length)
  expect(Object.values(after.findings).reduce((a, b) => a + b)).toBeLessThan(Object.values(before.findings).reduce((a, b) => a + b))
  expect(count(after).high).toBeLessThanOrEqual(count(before).high)
  for (const id of ids) expect((await active({ q: id })).length).toBe(1)
})

test('a reason is required, and a form that is wrong says where', async ({ page }) => {
  await page.goto(imagePath(images.old))
  const before = (await active()).length
  await page.getByRole('checkbox', { name: /^select CVE-2022-36359/i }).first().check()
  await page.getByRole('button', { name: /except.*selected/i }).click()
  const form = page.getByRole('dialog').or(page.getByRole('main')).filter({ has: page.getByLabel(/^reason/i) }).last()
  await form.getByRole('button', { name: /^(set|except)/i }).click()
  await expect(form.getByLabel(/^reason/i)).toBeVisible()
  expect(await form.getByLabel(/^reason/i).evaluate((field) => field.validity.valid)).toBe(false)
  expect((await active()).length).toBe(before)
})

test('23 and 24 several repositories at once, and 26 they leave the list', async ({ page }) => {
  await page.goto('/?image_status=')
  for (const image of [images.tool, images.chart]) await page.getByRole('checkbox', { name: `Select ${image.repository}` }).check()
  await page.getByRole('button', { name: /except 2 selected/i }).click()
  await decide(page, 'not ours to mend', { kind: /accepted risk/i })
  const rows = (await read(table(page, /repositories/i))).map((row) => row.repository.split(' ')[0])
  for (const image of [images.tool, images.chart]) expect(rows).not.toContain(image.repository)
  expect((await items('repositories', { except: 'excepted' })).map((item) => item.name)).toEqual(
    expect.arrayContaining([images.tool.repository, images.chart.repository]))
})

test('25 from the details, upper right', async ({ page }) => {
  await page.goto(repositoryPath(images.base))
  await page.getByRole('main').getByRole('link', { name: /^except/i }).click()
  await decide(page, 'the base is mended upstream', { kind: /accepted risk/i })
  expect((await active({ q: images.base.repository })).length).toBe(1)

  await page.goto('/vulnerabilities/CVE-2005-2541')
  await page.getByRole('main').getByRole('link', { name: /^except/i }).first().click()
  await decide(page, 'tar is not run on foreign archives', { kind: /accepted risk/i })
  expect((await active({ q: 'CVE-2005-2541' })).length).toBe(1)
})

test('27 and 28 the Excepted list and its details: reason, since when, by whom', async ({ page }) => {
  await page.goto('/?image_status=')
  await page.getByRole('main').getByRole('link', { name: 'Excepted', exact: true }).click()
  await expect(page).toHaveURL(/\/exceptions/)
  await expect(rowOf(page, /decisions/i, images.tool.repository)).toContainText('not ours to mend')
  await page.goto('/exceptions')
  const listed = await active()
  const rows = await read(table(page, /decisions/i))
  expect(rows.length).toBe(listed.length)
  const row = rowOf(page, /decisions/i, 'CVE-2019-10744')
  await expect(row).toContainText('lodash is only used while building')
  await row.getByRole('link').first().click()
  const main = page.getByRole('main')
  const [item] = await active({ q: 'CVE-2019-10744' })
  await expect(main).toContainText(item.reason)
  await expect(main).toContainText(item.created_by)
  await expect(main.locator(`time[datetime="${item.created_at}"]`).first()).toBeVisible()
  await expect(main).toContainText(/reason/i)
  await expect(main).toContainText(/set on|since|set at|set by/i)
})

test('29 cancel several with a reason: what they hid counts again', async ({ page }) => {
  const before = await api('statistics')
  await page.goto('/exceptions')
  for (const image of [images.tool, images.chart]) {
    await rowOf(page, /decisions/i, image.repository).getByRole('checkbox').check()
  }
  await page.getByRole('button', { name: /cancel 2 selected|cancel selected/i }).click()
  await cancel(page, 'it is ours after all', images.tool.repository, images.chart.repository)
  const after = await api('statistics')
  expect(after.repositories).toBe(before.repositories + 2)
  const [item] = await items('exceptions', { state: 'cancelled', q: images.tool.repository })
  expect(item.cancelled).toMatchObject({ reason: 'it is ours after all', by: 'suite-editor' })
})

test('30 cancel from the details: the selection is there to review, and a reason is required', async ({ page }) => {
  await page.goto('/exceptions')
  await rowOf(page, /decisions/i, images.base.repository).getByRole('link').first().click()
  await page.getByRole('main').getByRole('link', { name: /^cancel/i }).or(page.getByRole('main').getByRole('button', { name: /^cancel/i })).first().click()
  await cancel(page, 'nobody mends it', images.base.repository)
  expect((await items('repositories')).map((item) => item.name)).toContain(images.base.repository)
})

test('a decision holds for every digest of its repository, and for no other repository', async ({ page }) => {
  const id = 'CVE-2023-50447'
  await page.goto(imagePath(images.old))
  await page.getByRole('checkbox', { name: new RegExp(`^select ${id}`, 'i') }).first().check()
  await page.getByRole('button', { name: /except.*selected/i }).click()
  await decide(page, 'no image is opened with a given environment')
  expect((await active({ q: id })).map((item) => item.scope.repository)).toEqual([images.old.repository])
  const has = async (image, except) => (await items(`images/${image.digest}/vulnerabilities`, { except })).some((item) => item.id === id)
  for (const image of [images.old, images.new]) {
    expect(await has(image, 'active')).toBe(false)
    expect(await has(image, 'excepted')).toBe(true)
  }
  expect(await has(images.demo, 'active')).toBe(true)
  // Suppressed is not gone: the image still tells it, with the reason.
  await page.goto(`${imagePath(images.new)}?tab=exceptions`)
  await expect(rowOf(page, /^vulnerabilities/i, id)).toContainText('no image is opened with a given environment')
})

test('everything that was decided is in the audit with who did it', async ({ page }) => {
  await page.goto('/activity?tab=audit')
  const rows = await read(table(page, /audit/i))
  const said = (action) => rows.filter((row) => row.what === action)
  expect(said('exception.create').length).toBeGreaterThanOrEqual(6)
  expect(said('exception.cancel').length).toBeGreaterThanOrEqual(3)
  expect(said('exception.create').map((row) => row.who)).toContain('suite-editor')
})
