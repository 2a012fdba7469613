// Behaviours 13 to 22: a repository's versions, and one image with its layers, vulnerabilities, packages and where it runs.
import { read } from '../support/table.js'
import { api, expect, facts, images, imagePath, items, repositoryPath, test } from '../support/world.js'

const table = (page, name) => page.getByRole('table', { name })
const main = (page) => page.getByRole('main')
const details = (page) => page.getByRole('region', { name: 'Details' })
const layers = (page) => page.getByRole('navigation', { name: /layer/i })
const tab = (page, name) => page.getByRole('navigation', { name: 'Tabs' }).getByRole('link', { name })
const of = (image, what, query) => items(`images/${image.digest}/${what}`, query)
const fact = (page, name) => details(page).locator(`dt:text-is("${name}") + dd`)
const short = (digest) => digest.slice(0, 19)

// What a table of findings lists: vulnerability and fix, and the package where it is told.
async function findings(page) {
  return (await read(table(page, /^vulnerabilities/i))).map((row) => ({
    id: row.vulnerability.match(/^\S+/)[0],
    fix: row['fixed in'],
    cvss: parseFloat(row.cvss),
    exploited: row.exploited === 'exploited',
    layer: Number(row.layer),
    package: row.package.split(' ')[0],
  }))
}
const ids = async (page) => (await findings(page)).map((row) => row.id).sort()

test('13 from a repository to a digest, and from one version to another', async ({ page }) => {
  await page.goto('/')
  await table(page, /repositories/i).getByRole('link', { name: images.old.repository, exact: true }).click()
  await expect(page).toHaveURL((url) => url.pathname === repositoryPath(images.old))
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(images.old.repository)
  const rows = await read(table(page, /images of/i))
  expect(rows.map((row) => row.digest).sort()).toEqual([images.old, images.new].map((image) => short(image.digest)).sort())

  await page.getByRole('link', { name: short(images.old.digest) }).first().click()
  await expect(page).toHaveURL((url) => url.pathname === imagePath(images.old))
  await details(page).getByText(short(images.old.digest)).first().click()
  await details(page).getByRole('link', { name: new RegExp(short(images.new.digest)) }).click()
  await expect(page).toHaveURL((url) => url.pathname === imagePath(images.new))
})

test('14 a digest: every tag, its details and its status', async ({ page }) => {
  for (const image of [images.old, images.new, images.demo]) {
    await page.goto(imagePath(image))
    const tags = details(page).getByRole('definition').filter({ has: page.getByRole('list') }).getByRole('listitem')
    for (const tag of image.tags) await expect(tags.filter({ hasText: new RegExp(`(^|:)${tag}$`) })).toHaveCount(1)
    await expect(details(page)).toContainText('running')
    await expect(details(page)).toContainText('linux/amd64')
    await expect(details(page)).toContainText('Debian GNU/Linux 12')
    const [item] = await items('images', { q: image.digest })
    for (const [name, at] of [['First seen', item.first_seen], ['Last pulled', item.last_pulled], ['Matched', item.matched_at]]) {
      await expect(fact(page, name).locator('time'), name).toHaveAttribute('datetime', at)
    }
  }
  await page.goto(imagePath(images.index))
  for (const image of [images.amd, images.arm]) await expect(main(page).getByText(short(image.digest))).toBeVisible()
})

test('15 the hierarchy: the base image, the layers, the command of each', async ({ page }) => {
  await page.goto(imagePath(images.old))
  const known = await of(images.old, 'layers')
  for (const layer of known) await expect(layers(page)).toContainText(layer.created_by.replace(/^RUN /, ''))
  await expect(details(page)).toContainText('docker.io/library/debian')
  await expect(page.getByRole('region', { name: 'Hierarchy' })).toContainText(/base/i)
  await expect(layers(page).getByRole('link')).toHaveCount(known.length + 1)
})

test('16 all layers at first; choosing one narrows vulnerabilities and packages', async ({ page }) => {
  await page.goto(imagePath(images.old))
  await expect(layers(page).getByRole('link', { name: /all layers/i })).toHaveAttribute('aria-current', 'true')
  const all = await ids(page)
  expect(all).toEqual((await of(images.old, 'vulnerabilities')).map((item) => item.id).sort())
  const found = []
  for (const [at, layer] of (await of(images.old, 'layers')).entries()) {
    await layers(page).getByRole('link', { name: new RegExp(layer.created_by.replace(/^RUN /, '').slice(0, 16)) }).click()
    await expect(page).toHaveURL(/layer=/)
    const wanted = (await of(images.old, 'vulnerabilities', { layer: String(at) })).map((item) => item.id).sort()
    if (wanted.length > 0) expect(await ids(page)).toEqual(wanted)
    else await expect(table(page, /^vulnerabilities/i)).toHaveCount(0)
    found.push(...wanted)
    await tab(page, /packages/i).click()
    await expect(page).toHaveURL(/layer=/)
    const packages = (await of(images.old, 'packages', { layer: String(at) })).map((item) => item.name).sort()
    if (packages.length > 0) expect((await read(table(page, /packages/i))).map((row) => row.package.split(' ')[0]).sort()).toEqual(packages)
    await tab(page, /vulnerabilities/i).click()
  }
  expect(found.sort()).toEqual(all)
  await layers(page).getByRole('link', { name: /all layers/i }).click()
  expect(await ids(page)).toEqual(all)
})

test('16 what an upper layer removed is not there', async ({ page }) => {
  await page.goto(`${imagePath(images.old)}?tab=packages`)
  const names = (await read(table(page, /packages/i))).map((row) => row.package.split(' ')[0].toLowerCase())
  expect(names).toContain('django')
  expect(names).not.toContain('jinja2')
})

test('17 without metadata of the build the layers are there and say so', async ({ page }) => {
  await page.goto(imagePath(images.plain))
  await expect(page.getByRole('region', { name: 'Hierarchy' })).toContainText(/commands .*not known/i)
  await expect(layers(page).getByRole('link')).toHaveCount(images.plain.layers.length + 1)
  for (const layer of images.plain.layers) await expect(layers(page)).toContainText(short(layer))
})

test('18 all vulnerabilities with the versions that fix them', async ({ page }) => {
  for (const image of [images.old, images.demo]) {
    await page.goto(imagePath(image))
    const wanted = await of(image, 'vulnerabilities')
    const rows = await findings(page)
    const key = (item) => `${item.id} ${item.package_name ?? item.package}`
    expect(rows.map((row) => `${row.id} ${row.package} ${row.fix}`)).toEqual(
      wanted.map((item) => `${key(item)} ${item.fixed_version ?? 'no fix'}`))
    expect(rows.some((row) => row.fix === 'no fix')).toBe(true)
  }
})

test('19 what is exploited first and then by CVSS, and by CVSS alone a click away', async ({ page }) => {
  await page.goto(imagePath(images.demo))
  const order = (rows) => rows.map((row) => (row.exploited ? 100 : 0) + row.cvss)
  const first = order(await findings(page))
  expect(first[0]).toBeGreaterThan(100)
  expect(first).toEqual([...first].sort((a, b) => b - a))
  await page.getByRole('columnheader', { name: 'CVSS' }).getByRole('link').click()
  await expect(page.getByRole('columnheader', { name: 'CVSS' })).toHaveAttribute('aria-sort', 'descending')
  const scores = (await findings(page)).map((row) => row.cvss)
  expect(scores).toEqual([...scores].sort((a, b) => b - a))
  await page.getByRole('columnheader', { name: 'CVSS' }).getByRole('link').click()
  await expect(page.getByRole('columnheader', { name: 'CVSS' })).toHaveAttribute('aria-sort', 'ascending')
})

test('19 upgrades, those that clear what is exploited first, and those that clear most a click away', async ({ page }) => {
  await page.goto(imagePath(images.demo))
  await page.getByRole('link', { name: /by upgrade/i }).click()
  const upgrades = () => read(table(page, /upgrades/i))
  const rows = await upgrades()
  const django = rows.find((row) => row.upgrade.toLowerCase().startsWith('django'))
  expect(django).toMatchObject({ to: '3.2.17', clears: '4' })
  const exploited = rows.map((row) => Number(row.exploited))
  expect(exploited[0]).toBeGreaterThan(0)
  expect(exploited).toEqual([...exploited].sort((a, b) => b - a))
  await page.getByRole('columnheader', { name: 'Clears' }).getByRole('link').click()
  await expect(page.getByRole('columnheader', { name: 'Clears' })).toHaveAttribute('aria-sort', 'descending')
  const clears = (await upgrades()).map((row) => Number(row.clears))
  expect(clears.length).toBe(rows.length)
  expect(clears).toEqual([...clears].sort((a, b) => b - a))
})

test('20 packages of the system and of applications, their vulnerabilities and fixes', async ({ page }) => {
  await page.goto(`${imagePath(images.old)}?tab=packages`)
  const rows = await read(table(page, /packages/i))
  const wanted = await of(images.old, 'packages')
  expect(rows.map((row) => `${row.package.split(' ')[0]} ${row.version}`)).toEqual(wanted.map((item) => `${item.name} ${item.version}`))
  for (const [at, item] of wanted.entries()) {
    for (const severity of ['critical', 'high', 'medium', 'low']) {
      expect(Number(rows[at][severity]), `${item.name} ${severity}`).toBe(item.counts.vulnerabilities[severity])
    }
    expect(rows[at]['upgrade to']).toBe(item.fixed_version ?? '–')
    expect(rows[at].kind).toBe(item.package_kind)
  }
  expect(new Set(rows.map((row) => row.kind))).toEqual(new Set(['os', 'application']))
})

test('21 and 22 where it is used, when each workload was made, when the image was first seen there', async ({ page }) => {
  await page.goto(imagePath(images.old))
  await tab(page, /resources|affected/i).click()
  const rows = await read(table(page, /workloads/i))
  const wanted = await of(images.old, 'resources')
  expect(rows.map((row) => [row.cluster, row.namespace, row.workload])).toEqual(
    wanted.map((item) => [item.cluster, item.namespace, `${item.kind} ${item.name}`]))
  for (const item of wanted) {
    await expect(main(page).locator(`time[datetime="${facts.created}"]`)).toHaveCount(wanted.length)
    expect(await main(page).locator(`time[datetime="${item.first_seen}"]`).count()).toBeGreaterThan(0)
  }
})

test('21 what used it and does so no more is told apart', async ({ page }) => {
  await page.goto(`${imagePath(images.new)}?tab=resources`)
  const now = Object.fromEntries((await read(table(page, /workloads/i))).map((row) => [row.workload, row.now]))
  expect(now).toEqual({ 'Deployment web': 'runs it', [`Pod ${facts.ended}`]: 'no more' })
})

test('what could not be read says why, and nowhere that it is clean', async ({ page }) => {
  for (const [image, words] of [[images.broken, /fail|broken|decode/i], [images.sealed, /unsupported|encrypted/i], [images.private, /no access/i]]) {
    await page.goto(imagePath(image))
    await expect(main(page)).toContainText(words)
    await expect(main(page)).not.toContainText(/no vulnerabilit(y|ies) (is|are) known|clean/i)
    await expect(table(page, /^vulnerabilities/i)).toHaveCount(0)
  }
})

test('two versions compared: what the newer one mends', async ({ page }) => {
  await page.goto(repositoryPath(images.old))
  await page.getByRole('radio', { name: `Compare from ${short(images.old.digest)}` }).check()
  await page.getByRole('radio', { name: `Compare to ${short(images.new.digest)}` }).check()
  await page.getByRole('button', { name: /compare/i }).click()
  await expect(page).toHaveURL(/\/compare\?/)
  const answer = await api('compare', { a: images.old.digest, b: images.new.digest })
  const region = page.getByRole('region', { name: 'Fixed', exact: true })
  for (const item of answer.fixed) await expect(region).toContainText(item.id)
  await expect(page.getByRole('region', { name: 'Packages', exact: true })).toContainText('3.2.25')
})

test('a vulnerability: its names, its scores with who gave them, and everything it affects', async ({ page }) => {
  await page.goto('/vulnerabilities/CVE-2023-4863')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('CVE-2023-4863')
  await expect(details(page)).toContainText('8.8')
  await expect(details(page)).toContainText('94')
  await expect(details(page)).toContainText('exploited')
  await expect(details(page)).toContainText('PYSEC-2023-4863')
  // A row for each package of an image that has it.
  const wanted = (await items('images', { q: 'CVE-2023-4863', known_exploited: 'true' })).map((item) => item.digest)
  expect(wanted.length).toBeGreaterThan(1)
  const links = await table(page, /findings of it/i).getByRole('rowheader').getByRole('link', { name: /:/ }).evaluateAll(
    (found) => found.map((link) => new URL(link.href).pathname.split('/').at(-1)))
  expect([...new Set(links)].sort()).toEqual(wanted.sort())
  await expect(page.getByRole('region', { name: 'Affected workloads', exact: true })).toContainText('cart')
})

test('a picture of the state is a link: the address alone shows the same page', async ({ page, context }) => {
  await page.goto(`${imagePath(images.old)}?layer=${images.old.layers[1]}&severity=critical`)
  const seen = await findings(page)
  expect(seen.length).toBeGreaterThan(0)
  const other = await context.newPage()
  await other.goto(page.url())
  expect(await findings(other)).toEqual(seen)
  await other.close()
})

test('clusters, feeds and what happened, each with its age', async ({ page }) => {
  await page.goto('/clusters')
  const clusters = await read(table(page, /clusters/i))
  expect(clusters.map((row) => row.cluster).sort()).toEqual(Object.keys(facts.clusters).sort())
  for (const row of clusters) expect(row.state).toBe('live')
  await page.goto('/feeds')
  const feeds = await read(table(page, /feeds/i))
  for (const name of ['PyPI', 'npm']) expect(feeds.find((row) => row.feed === name).state).toBe('fresh')
  await page.goto('/activity')
  const events = await read(table(page, /opened/i))
  expect(events.length).toBeGreaterThan(10)
  for (const [what, vulnerability] of Object.entries(facts.events)) {
    expect(events.some((row) => row.what.startsWith(what) && row.vulnerability === vulnerability), what).toBe(true)
  }
})
