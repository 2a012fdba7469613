// Who may: sign-in by token and by a real OpenID Connect provider, and what each role finds in the console.
import { expect, facts, imagePath, images, report, test, tokens } from '../support/world.js'

const ACCOUNTS = { vera: 'viewer', edith: 'editor', adam: 'administrator' }

// Through the provider's own pages, as `account`.
async function signInWithProvider(page, account) {
  await page.getByRole('link', { name: /openid|provider|single sign-on|sign in with/i }).or(
    page.getByRole('button', { name: /openid|provider|single sign-on|sign in with/i })).click()
  await expect(page).toHaveURL(new RegExp(`^${facts.provider.issuer}/`))
  await page.locator('input[name=login]').fill(account)
  await page.locator('input[name=password]').fill('any')
  await page.getByRole('button', { name: 'Sign-in' }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
}

test.describe('signing in', () => {
  test.use({ role: null })

  for (const [account, role] of Object.entries(ACCOUNTS)) {
    test(`${account} signs in with the provider, comes back where they were, and is ${role}`, async ({ page }) => {
      await page.goto(imagePath(images.old))
      await expect(page).toHaveURL(/\/sign-in\?/)
      await signInWithProvider(page, account)
      await expect(page).toHaveURL(report + imagePath(images.old))
      const me = await page.request.get('/api/v1/me')
      expect(await me.json()).toMatchObject({ role, name: expect.stringContaining(account) })
      await expect(page.getByRole('banner')).toContainText(account)
      await expect(page.getByRole('link', { name: 'Tokens' })).toHaveCount(role === 'administrator' ? 1 : 0)
      const except = page.getByRole('button', { name: /except/i })
      if (role === 'viewer') await expect(except).toHaveCount(0)
      else await expect(except.first()).toBeVisible()
    })
  }

  test.describe('refused', () => {
    test.use({ refusals: [401, 403] })

    test('somebody the provider knows and weir has no role for is told so and gets nothing', async ({ page }) => {
      await page.goto('/sign-in')
      await signInWithProvider(page, 'nobody')
      await expect(page.getByRole('main')).toContainText(/role|not allowed|may not/i)
      expect((await page.request.get('/api/v1/me')).status()).toBe(401)
    })

    test('a token that is none is refused in words', async ({ page }) => {
      await page.goto('/sign-in')
      await page.getByLabel(/token/i).fill('weir_no_token')
      await page.getByRole('button', { name: /sign in/i }).first().click()
      await expect(page.getByRole('main')).toContainText(/not (known|valid)|no such|unknown|revoked|refused|not good/i)
      expect(await page.context().cookies()).toEqual([])
    })
  })

  test('who signs out is out, with the cookie they had as well', async ({ page }) => {
    await page.goto('/sign-in')
    await signInWithProvider(page, 'vera')
    await expect(page).toHaveURL(new RegExp(`^${report}/`))
    const cookies = await page.context().cookies()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await expect(page).toHaveURL(/\/sign-in/)
    await page.context().clearCookies()
    await page.context().addCookies(cookies)
    expect((await page.request.get('/api/v1/me')).status()).toBe(401)
  })
})

test('a cookie says nothing to scripts and goes nowhere else', async ({ page }) => {
  await page.goto('/')
  const cookies = await page.context().cookies()
  expect(cookies.length).toBeGreaterThan(0)
  for (const cookie of cookies) {
    expect(cookie.httpOnly, cookie.name).toBe(true)
    expect(cookie.sameSite, cookie.name).not.toBe('None')
  }
  expect(await page.evaluate(() => document.cookie)).toBe('')
})

test('a viewer finds nothing to decide with, and may not by hand either', async ({ page }) => {
  for (const path of ['/', imagePath(images.old), '/exceptions']) {
    await page.goto(path)
    await expect(page.getByRole('button', { name: /except|cancel/i })).toHaveCount(0)
    await expect(page.getByRole('link', { name: /^except/i }).and(page.locator('[href*="/new"]'))).toHaveCount(0)
    await expect(page.getByRole('checkbox', { name: /^select/i })).toHaveCount(0)
  }
  const form = { kind: 'false_positive', vulnerability: 'CVE-2019-10744', reason: 'by hand', image: images.old.digest }
  const answer = await page.request.post('/exceptions', { form, headers: { origin: report } })
  expect(answer.status()).toBe(403)
})

test.describe('a form of somebody else', () => {
  test.use({ role: 'editor' })

  test('is refused although the cookie comes along', async ({ page }) => {
    const form = { kind: 'false_positive', vulnerability: 'CVE-2019-10744', reason: 'forged', image: images.old.digest }
    for (const headers of [{ origin: report }, { origin: 'https://elsewhere.example' }]) {
      const answer = await page.request.post('/exceptions', { form, headers })
      expect(answer.status(), JSON.stringify(headers)).toBe(403)
    }
  })
})

test('a token of each role may what its role may', async () => {
  const wanted = { viewer: [200, 403, 403], editor: [200, 202, 403], administrator: [200, 202, 200] }
  for (const [role, codes] of Object.entries(wanted)) {
    const headers = { authorization: `Bearer ${tokens[role]}` }
    const asked = [
      fetch(`${report}/api/v1/images`, { headers }),
      fetch(`${report}/api/v1/advisories/refresh`, { headers, method: 'POST' }),
      fetch(`${report}/api/v1/tokens`, { headers }),
    ]
    expect((await Promise.all(asked)).map((answer) => answer.status), role).toEqual(codes)
  }
  expect((await fetch(`${report}/api/v1/images`)).status).toBe(401)
})
