// The main path twice more: by keyboard alone, and without any script.
import { expect, images, imagePath, items, test } from '../support/world.js'

const focused = (page) => page.evaluate(() => {
  const element = document.activeElement
  return element?.getAttribute('aria-label') ?? element?.innerText?.trim() ?? element?.tagName
})

// Presses Tab until something of this name has the focus.
async function tabTo(page, name, limit = 200) {
  for (let at = 0; at < limit; at += 1) {
    await page.keyboard.press('Tab')
    const text = await focused(page)
    if (text && name.test(text)) return
  }
  throw new Error(`no ${name} within ${limit} presses of Tab`)
}

test.describe('by keyboard alone', () => {
  test.use({ role: 'editor' })

  test('from the list to an image, a layer of it, a decision and back', async ({ page }) => {
    await page.goto('/')
    await page.keyboard.press('Tab')
    expect(await focused(page)).toMatch(/skip/i)
    await page.keyboard.press('Enter')
    await expect(page.getByRole('main')).toBeFocused()

    await page.keyboard.press('?')
    await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible()
    await page.keyboard.press('Escape')
    await expect(page.getByRole('dialog')).toHaveCount(0)

    await page.keyboard.press('/')
    await expect(page.getByRole('searchbox')).toBeFocused()
    await page.keyboard.type('shop')
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(/q=shop/)
    // The keys are there once the page is.
    await page.waitForLoadState()

    await page.keyboard.press('j')
    expect(await focused(page)).toContain(images.old.repository)
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(/\/repositories\//)
    await page.waitForLoadState()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(/\/images\/sha256/)

    await page.goto(imagePath(images.new))
    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await expect(page.getByRole('checkbox', { checked: true }).first()).toBeVisible()
    const before = (await items('exceptions', { state: 'active' })).length
    await page.keyboard.press('e')
    await expect(page.getByLabel(/^reason/i)).toBeVisible()
    // Nothing behind a dialog can be reached.
    if (await page.getByRole('dialog').isVisible()) {
      for (let at = 0; at < 40; at += 1) {
        await page.keyboard.press('Tab')
        const inside = await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null)
        expect(inside).toBe(true)
      }
    }
    await page.getByLabel(/^reason/i).focus()
    await page.keyboard.type('decided by keyboard')
    await tabTo(page, /^(set|except)/i, 30)
    await page.keyboard.press('Enter')
    await expect(page.getByRole('status').filter({ hasText: /set/i }).first()).toBeVisible()
    expect((await items('exceptions', { state: 'active' })).length).toBe(before + 1)
    // And undone.
    await tabTo(page, /^undo$/i)
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(/cancel/)
    await page.waitForLoadState()
    await tabTo(page, /^cancel .*exception/i)
    await page.keyboard.press('Enter')
    await expect.poll(async () => (await items('exceptions', { state: 'active' })).length).toBe(before)
  })

  test('whatever has the focus shows it', async ({ page }) => {
    for (const path of ['/', imagePath(images.old), '/exceptions']) {
      await page.goto(path)
      for (let at = 0; at < 30; at += 1) {
        await page.keyboard.press('Tab')
        const shows = await page.evaluate(() => {
          const element = document.activeElement
          if (element === document.body) return true
          const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element)
          return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none'
        })
        expect(shows, `${path}: ${await focused(page)}`).toBe(true)
      }
    }
  })
})

test.describe('without script', () => {
  test.use({ role: 'editor', javaScriptEnabled: false })

  test('from the list to an image, a layer of it, a decision and its end', async ({ page }) => {
    await page.goto('/')
    const filter = page.getByRole('complementary', { name: 'Filter' })
    await filter.getByRole('checkbox', { name: /^edge/ }).check()
    await filter.getByRole('button', { name: 'Apply' }).click()
    await expect(page).toHaveURL(/cluster=edge/)
    await page.getByRole('link', { name: images.old.repository }).click()
    await page.getByRole('link', { name: new RegExp(images.old.digest.slice(7, 19)) }).click()
    await expect(page).toHaveURL(new RegExp(images.old.digest))

    // Another version, another tab, another layer.
    await page.goto(`${imagePath(images.old)}?tab=packages&layer=${images.old.layers[1]}`)
    await expect(page.getByRole('main')).toContainText(/django/i)
    await expect(page.getByRole('table', { name: /packages/i })).not.toContainText('openssl')

    await page.goto(imagePath(images.old))
    await page.getByRole('checkbox', { name: /^select CVE-2022-34265/i }).first().check()
    await page.getByRole('button', { name: /except selected/i }).click()
    await expect(page).toHaveURL(/\/exceptions\/new/)
    await page.getByLabel(/^reason/i).fill('decided without script')
    await page.getByRole('button', { name: /preview/i }).click()
    await expect(page.getByLabel(/^reason/i)).toHaveValue('decided without script')
    await expect(page.getByRole('main')).toContainText(/\d+ (findings?|images?)/i)
    await page.getByRole('button', { name: /^(set|except)/i }).click()
    await expect(page.getByRole('status').filter({ hasText: /set/i }).first()).toBeVisible()
    expect((await items('exceptions', { state: 'active', q: 'CVE-2022-34265' })).length).toBe(1)

    await page.goto('/exceptions')
    await page.getByRole('row').filter({ hasText: 'CVE-2022-34265' }).getByRole('checkbox').check()
    await page.getByRole('button', { name: /cancel selected/i }).click()
    await page.getByLabel(/^reason/i).fill('no longer')
    await page.getByRole('button', { name: /^cancel (the |this |these )?(\d+ )?exception/i }).click()
    await expect(page.getByRole('status').filter({ hasText: /cancelled/i })).toBeVisible()
    expect((await items('exceptions', { state: 'active', q: 'CVE-2022-34265' })).length).toBe(0)
  })
})
