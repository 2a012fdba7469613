// The behaviours as a program finds them: behind every screen is a document, and both say the same.
import { api, ask, expect, facts, imagePath, images, items, test } from '../support/world.js'

const of = (image, what, query) => items(`images/${image.digest}/${what}`, query)
const whole = (image) => api(`images/${image.digest}/report`)

test('11 to 14 a repository, its images, and an image by any of its digests', async () => {
  const repository = await api(`repositories/${images.old.repository}`)
  expect(repository).toMatchObject({ name: images.old.repository, images: 2, scanned_images: 2 })
  expect(repository.digests.items.map((image) => image.digest).sort()).toEqual([images.old.digest, images.new.digest].sort())
  const both = await items('images', { repository: images.old.repository })
  expect(both.map((image) => image.digest).sort()).toEqual([images.old.digest, images.new.digest].sort())
  for (const image of [images.old, images.new]) {
    const item = both.find((known) => known.digest === image.digest)
    const tags = image.tags.map((tag) => `${image.repository}:${tag}`)
    expect([...item.tags].sort()).toEqual(tags.sort())
    for (const digest of [image.digest, image.config]) {
      const document = await api(`images/${digest}`)
      expect(document.images.map((child) => child.digest)).toEqual([image.digest])
    }
  }
  const index = await api(`images/${images.index.digest}`)
  expect(index.images.map((child) => child.digest).sort()).toEqual([images.amd.digest, images.arm.digest].sort())
})

test('15 to 17 layers with their commands, the base, and what each of them brought', async () => {
  const layers = await of(images.old, 'layers')
  expect(layers.map((layer) => layer.digest)).toEqual(images.old.layers)
  expect(layers.map((layer) => layer.base)).toEqual([true, false, false, false])
  expect(layers[1].created_by).toBe('RUN pip install -r requirements.txt')
  expect((await of(images.plain, 'layers')).map((layer) => layer.created_by)).toEqual([null, null])

  for (const what of ['vulnerabilities', 'packages']) {
    const all = await of(images.old, what)
    const by = await Promise.all(layers.map((layer) => of(images.old, what, { layer: layer.digest })))
    expect(by.flat().length, what).toBe(all.length)
    by.forEach((part, at) => part.forEach((item) => expect(item.layer).toBe(at)))
    expect(await of(images.old, what, { layer: '1' })).toEqual(by[1])
  }
  // What an upper layer removed is nowhere.
  const names = (await of(images.old, 'packages')).map((item) => item.name.toLowerCase())
  expect(names).toEqual(expect.arrayContaining(['django', 'lodash', 'openssl', 'pillow']))
  expect(names).not.toContain('jinja2')
  for (const [at, layer] of layers.entries()) {
    const found = await of(images.old, 'vulnerabilities', { layer: String(at) })
    expect(Object.values(layer.counts.vulnerabilities).reduce((sum, count) => sum + count, 0)).toBe(new Set(found.map((item) => item.id)).size)
    expect(layer.packages).toBe((await of(images.old, 'packages', { layer: String(at) })).length)
  }
})

test('18 and 19 every vulnerability with its fix, by what is exploited, then by CVSS', async () => {
  for (const image of [images.old, images.demo]) {
    const document = await whole(image)
    const found = await of(image, 'vulnerabilities', { except: 'all' })
    const key = (id, purl, fix) => `${id} ${purl} ${fix ?? '-'}`
    expect(found.map((item) => key(item.id, item.package, item.fixed_version)).sort()).toEqual(
      document.vulnerabilities.map((item) => key(item.id, item.package, item.fixed_version)).sort())
    const exploited = found.map((item) => item.known_exploited === true)
    expect(exploited).toEqual([...exploited].sort((a, b) => b - a))
    const scores = (await of(image, 'vulnerabilities', { sort: '-cvss' })).map((item) => item.cvss ?? -1)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
  }
})

test('20 packages of the system and of applications, with what is wrong with each and what clears it', async () => {
  const document = await whole(images.demo)
  const packages = await of(images.demo, 'packages', { except: 'all' })
  expect(packages.map((item) => item.purl).sort()).toEqual(document.packages.map((item) => item.purl).sort())
  expect(new Set(packages.map((item) => item.package_kind))).toEqual(new Set(['os', 'application']))
  for (const item of packages) {
    const ids = new Set(document.vulnerabilities.filter((found) => found.package === item.purl && !found.covered_by).map((found) => found.id))
    expect(Object.values(item.counts.vulnerabilities).reduce((sum, count) => sum + count, 0), item.purl).toBe(ids.size)
  }
  const django = packages.find((item) => item.name.toLowerCase() === 'django')
  expect(django).toMatchObject({ fixed_version: '3.2.17', clears: 4 })
})

test('21 and 22 where an image runs, when the workload was made and when it was first seen there', async () => {
  const resources = await of(images.old, 'resources')
  expect(resources.map((item) => [item.cluster, item.namespace, item.kind, item.name])).toEqual([
    ['edge', 'kiosk', 'Deployment', 'cart'],
    ['prod', 'shop', 'Deployment', 'cart'],
  ])
  for (const item of resources) {
    expect(item.created_at).toBe(facts.created)
    expect(Date.parse(item.first_seen)).toBeGreaterThan(Date.parse(item.created_at))
  }
})

test('two images compared: what the newer one fixed', async () => {
  const ids = async (image) => (await of(image, 'vulnerabilities', { except: 'all' })).map((item) => item.id)
  const [old, now] = await Promise.all([ids(images.old), ids(images.new)])
  const answer = await api('compare', { a: images.old.digest, b: images.new.digest })
  const listed = (list) => [...new Set(list.map((item) => item.id))].sort()
  expect(listed(answer.fixed)).toEqual([...new Set(old.filter((id) => !now.includes(id)))].sort())
  expect(listed(answer.new)).toEqual([])
  expect(answer.fixed.length).toBeGreaterThan(3)
})

test('what was never read has no number anywhere', async () => {
  for (const image of [images.private, images.broken, images.sealed]) {
    const list = await items('images', { q: image.repository, except: 'all' })
    expect(list.map((item) => item.vulnerabilities), image.repository).toEqual([null])
    const answer = await api(`images/${image.digest}/vulnerabilities`)
    expect(answer.items, image.repository).toBeNull()
  }
})

test('an answer that did not change is not sent again', async () => {
  for (const path of ['repositories', 'images?limit=5', 'statistics', `images/${images.old.digest}/vulnerabilities`]) {
    const first = await ask(`/api/v1/${path}`)
    const tag = first.headers.get('etag')
    expect(tag, path).toBeTruthy()
    const again = await ask(`/api/v1/${path}`, { headers: { 'if-none-match': tag } })
    expect(again.status, path).toBe(304)
    expect(await again.text()).toBe('')
  }
})

test('what is not known is 404, a way of asking that is not known 405', async () => {
  expect((await ask(`/api/v1${imagePath({ digest: `sha256:${'1'.repeat(64)}` })}`)).status).toBe(404)
  expect((await ask('/api/v1/nothing')).status).toBe(404)
  expect((await ask('/api/v1/repositories', { method: 'DELETE' })).status).toBe(405)
})
