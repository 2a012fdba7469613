// Every screen: without a violation of accessibility, without an error, in light and dark, wide and narrow, and a picture of each.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import { expect, imagePath, images, pictures, repositoryPath, test } from '../support/world.js'

// By name: path, and the role that may see it.
const SCREENS = {
  'repositories': ['/'],
  'repositories-all': ['/?image_status='],
  'repositories-filtered': ['/?image_status=running&severity=critical&cluster=prod&fixable=true'],
  'repositories-nothing': ['/?image_status=running&cluster=nowhere'],
  'repositories-editor': ['/', 'editor'],
  'repository': [repositoryPath(images.old)],
  'image-vulnerabilities': [imagePath(images.demo)],
  'image-grouped': [`${imagePath(images.demo)}?view=fixes`],
  'image-layer': [`${imagePath(images.old)}?layer=${images.old.layers[1]}`],
  'image-packages': [`${imagePath(images.demo)}?tab=packages`],
  'image-resources': [`${imagePath(images.old)}?tab=resources`],
  'image-history': [`${imagePath(images.old)}?tab=history`],
  'image-exceptions': [`${imagePath(images.demo)}?tab=exceptions`],
  'image-editor': [imagePath(images.old), 'editor'],
  'image-failed': [imagePath(images.broken)],
  'image-unsupported': [imagePath(images.sealed)],
  'image-no-access': [imagePath(images.private)],
  'image-nothing-to-match': [imagePath(images.empty)],
  'image-without-history': [imagePath(images.plain)],
  'image-platforms': [imagePath(images.index)],
  'vulnerabilities': ['/vulnerabilities'],
  'vulnerability': ['/vulnerabilities/CVE-2023-4863'],
  'compare': [`/compare?a=${images.old.digest}&b=${images.new.digest}`],
  'compare-form': ['/compare'],
  'clusters': ['/clusters'],
  'nodes': ['/nodes'],
  'feeds': ['/feeds'],
  'activity': ['/activity'],
  'exceptions': ['/exceptions'],
  'exceptions-editor': ['/exceptions', 'editor'],
  'except-vulnerability': [`/exceptions/new?image=${images.old.digest}&vulnerability=CVE-2019-10744`, 'editor'],
  'except-repository': [`/exceptions/new?target=repository&repository=${images.old.repository}`, 'editor'],
  'tokens': ['/tokens', 'administrator'],
  'sign-in': ['/sign-in', null],
  'not-found': [`/images/sha256:${'0'.repeat(64)}`],
  'not-allowed': ['/tokens'],
}
const REFUSED = { 'not-found': 404, 'not-allowed': 403 }
const WIDTHS = { wide: 1440, narrow: 390 }
const SCHEMES = ['light', 'dark']

mkdirSync(pictures, { recursive: true })

for (const [name, [path, role = 'viewer']] of Object.entries(SCREENS)) {
  test.describe(name, () => {
    test.use({ role, refusals: Object.values(REFUSED) })

    test(`screen ${name} is accessible in light and dark, wide and narrow`, async ({ page }) => {
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme })
        for (const [width, pixels] of Object.entries(WIDTHS)) {
          await page.setViewportSize({ width: pixels, height: width === 'wide' ? 900 : 844 })
          const answer = await page.goto(path)
          expect(answer.status()).toBe(REFUSED[name] ?? 200)
          await expect(page.getByRole('main')).toBeVisible()
          await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1)
          await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${width}.png`), fullPage: true })
          const { violations } = await new AxeBuilder({ page }).analyze()
          const words = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html).slice(0, 5).join('\n    ')}`)
          expect(words, `${name} ${colorScheme} ${width}`).toEqual([])
          // Wide tables scroll in their own place, never the page.
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
          expect(overflow, `${name} ${width}: the page is wider than the window`).toBeLessThanOrEqual(0)
        }
      }
    })
  })
}

test('every page is sent with the policy that keeps it to itself', async ({ page }) => {
  for (const path of ['/', imagePath(images.demo), '/exceptions']) {
    const answer = await page.goto(path)
    const policy = answer.headers()['content-security-policy']
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"]) {
      expect(policy).toContain(rule)
    }
    expect(policy).not.toMatch(/unsafe|\*/)
    expect(answer.headers()['x-content-type-options']).toBe('nosniff')
  }
})

test('a page weighs little', async ({ page }) => {
  for (const path of ['/', imagePath(images.demo), '/vulnerabilities']) {
    const client = await page.context().newCDPSession(page)
    await client.send('Network.enable')
    await client.send('Network.setCacheDisabled', { cacheDisabled: true })
    let bytes = 0
    client.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength })
    await page.goto(path, { waitUntil: 'networkidle' })
    expect(bytes, path).toBeGreaterThan(1000)
    expect(bytes, path).toBeLessThanOrEqual(60 * 1024)
    await client.detach()
  }
})
