// Behaviours 1 to 12: the first screen, its filter and its statistics.
import { listed as cell, number, read } from '../support/table.js'
import { api, expect, facts, images, imagePath, items, repositoryPath, test } from '../support/world.js'

const repositories = (page) => page.getByRole('table', { name: /repositories/i })
const names = async (page) => (await read(repositories(page))).map((row) => row.repository.split(' ')[0])
const listed = async (query) => (await items('repositories', query)).map((item) => item.name)
const statistics = (page) => page.getByRole('region', { name: /statistics/i })

// The numbers of the strip by their words.
async function strip(page) {
  const terms = await statistics(page).locator('dt').allInnerTexts()
  const values = await statistics(page).locator('dt + dd').allInnerTexts()
  return Object.fromEntries(terms.map((term, at) => [term.trim().toLowerCase(), number(values[at])]))
}

// Chooses a value of a facet as people do, and waits for the page it leads to.
async function choose(page, group, value) {
  const facet = page.getByRole('complementary', { name: 'Filter' }).getByRole('group', { name: group, exact: true })
  const box = facet.getByRole('checkbox', { name: new RegExp(`^${value} `) }).first()
  // A group may be folded away, and so may all but its first choices.
  if (!(await box.isVisible())) await page.locator('summary', { hasText: new RegExp(`^${group}$`) }).last().click()
  if (!(await box.isVisible())) await facet.locator('summary', { hasText: /more$/ }).click()
  const loaded = page.waitForEvent('load')
  await box.check()
  await loaded
}

test('1 opens on images in use, of all connected clusters', async ({ page }) => {
  await page.goto('/')
  await expect(page).toHaveURL('/?image_status=running')
  expect(await names(page)).toEqual(await listed({ image_status: 'running' }))
  expect(await names(page)).not.toContain(images.base.repository)
  const clusters = (await read(repositories(page))).map((row) => row.clusters)
  expect(new Set(clusters.flatMap((text) => text.split(', ')).filter(Boolean))).toEqual(new Set(Object.keys(facts.clusters)))
})

test('2 statistics over what was discovered', async ({ page }) => {
  await page.goto('/')
  const wanted = await api('statistics', { image_status: 'running' })
  const found = await strip(page)
  const { vulnerabilities } = wanted.vulnerabilities
  expect(found).toMatchObject({ repositories: wanted.repositories, workloads: wanted.running_resources })
  for (const severity of ['critical', 'high', 'medium', 'low']) {
    if (vulnerabilities[severity] > 0) expect(found[severity], severity).toBe(vulnerabilities[severity])
  }
  expect(found['known exploited']).toBe(wanted.vulnerabilities.known_exploited)
  expect(found['fix available']).toBe(wanted.vulnerabilities.fixable)
  expect(found.overdue).toBe(wanted.overdue_findings)
})

test('3 complete however an image arrived', async ({ page }) => {
  await page.goto('/?image_status=')
  const all = await names(page)
  for (const image of [images.demo, images.old, images.tool, images.chart, images.private, images.broken, images.base]) {
    expect(all, image.repository).toContain(image.repository)
  }
  const rows = await read(repositories(page))
  const row = (image) => rows.find((known) => known.repository.startsWith(image.repository))
  // What nobody pulled through weir was read all the same; what could not be had is there, and not as clean.
  expect(number(row(images.chart).high)).toBe(1)
  expect(row(images.private).critical).toMatch(/not known/i)
  expect(row(images.private).scan).toMatch(/no access/i)
})

test('4 no gate: only what nobody could fetch waits for a setting, and says which', async ({ page }) => {
  await page.goto(imagePath(images.private))
  await expect(page.getByRole('main')).toContainText(/no access/i)
  await expect(page.getByRole('main')).toContainText(/ghcr\.io/)
  await expect(page.getByRole('main')).toContainText(/upstream|registry/i)
})

for (const [number, group, parameter, value] of [
  [5, 'Cluster', 'cluster', 'edge'],
  [6, 'Namespace', 'namespace', 'kiosk'],
  [7, 'Label', 'label', 'team'],
  [8, 'Image status', 'image_status', 'idle'],
  [9, 'Scan status', 'scan_status', 'failed'],
]) {
  test(`${number} filter by ${group.toLowerCase()}`, async ({ page }) => {
    await page.goto('/?image_status=')
    await choose(page, group, value)
    await expect(page).toHaveURL((url) => url.searchParams.getAll(parameter).includes(value))
    const wanted = await listed({ [parameter]: value })
    expect(wanted.length).toBeGreaterThan(0)
    expect(await names(page)).toEqual(wanted)
    // A pill says so, and takes it away again.
    const pill = page.getByRole('list', { name: /filters in force/i }).getByRole('link', { name: new RegExp(group, 'i') })
    await pill.click()
    await expect(page).not.toHaveURL((url) => url.searchParams.getAll(parameter).includes(value))
    expect((await names(page)).length).toBeGreaterThan(wanted.length)
  })
}

test('7 a label of which the key is chosen offers its values', async ({ page }) => {
  await page.goto('/?image_status=')
  await choose(page, 'Label', 'team')
  await choose(page, 'Label', 'team=checkout')
  await expect(page).toHaveURL((url) => url.searchParams.getAll('label').join() === 'team,team=checkout')
  expect(await names(page)).toEqual(await listed({ label: 'team=checkout' }))
})

test('7 a label narrows by key as well, and several must hold together', async ({ page }) => {
  await page.goto('/?image_status=&label=team%3Dplatform&label=app')
  expect(await names(page)).toEqual(await listed([['label', 'team=platform'], ['label', 'app']]))
})

test('10 statistics follow the filter', async ({ page }) => {
  await page.goto('/?image_status=')
  const whole = await strip(page)
  await choose(page, 'Cluster', 'edge')
  await expect(page).toHaveURL(/cluster=edge/)
  const narrowed = await strip(page)
  const wanted = await api('statistics', { cluster: 'edge' })
  expect(narrowed.repositories).toBe(wanted.repositories)
  expect(narrowed.critical).toBe(wanted.vulnerabilities.vulnerabilities.critical)
  expect(narrowed.repositories).toBeLessThan(whole.repositories)
  // Each number is a link to what it counts.
  await statistics(page).getByRole('definition').getByRole('link', { name: String(narrowed.critical), exact: true }).first().click()
  await expect(page).toHaveURL(/severity=critical/)
  await expect(page).toHaveURL(/cluster=edge/)
})

test('11 a repository is one name, whatever the tag or digest', async ({ page }) => {
  await page.goto('/?image_status=')
  const rows = (await names(page)).filter((name) => name === images.old.repository)
  expect(rows).toEqual([images.old.repository])
  // `debian` is `docker.io/library/debian`.
  expect(await names(page)).toContain('docker.io/library/debian')
  await page.goto(repositoryPath(images.old))
  for (const image of [images.old, images.new]) {
    await expect(page.getByRole('link', { name: new RegExp(image.digest.slice(7, 19)) }).first()).toBeVisible()
    for (const tag of image.tags) await expect(page.getByRole('main')).toContainText(tag)
  }
})

test('12 a row: vulnerabilities, clusters, running resources, the tag that was scanned last', async ({ page }) => {
  await page.goto('/?image_status=')
  const rows = await read(repositories(page))
  for (const item of await items('repositories')) {
    const row = rows.find((known) => known.repository.split(' ')[0] === item.name)
    expect(row.clusters).toBe(cell(item.clusters))
    expect(number(row.workloads)).toBe(item.running_resources)
    if (item.latest_scanned_tag) expect(row['latest scanned']).toBe(item.latest_scanned_tag)
    if (item.counts === null) expect(row.critical).toMatch(/not known/i)
    else expect(number(row.critical) ?? 0).toBe(item.counts.vulnerabilities.critical)
  }
  const shop = rows.find((known) => known.repository.startsWith(images.old.repository))
  expect([...images.old.tags, ...images.new.tags]).toContain(shop['latest scanned'])
})
