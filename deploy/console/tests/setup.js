// Signs each role in as people do, once: whoever signs in too often is held off. Sets what was decided before anybody looks.
import { ROLES, expect, facts, send, session, tokens } from './support/world.js'
import { test } from '@playwright/test'

for (const role of ROLES) {
  test(`a ${role} signs in with a token`, async ({ browser }) => {
    const context = await browser.newContext({ baseURL: facts.report })
    const page = await context.newPage()
    await page.goto('/')
    await expect(page, 'whoever is nobody is asked who they are').toHaveURL(/\/sign-in\b/)
    await page.getByLabel(/token/i).fill(tokens[role])
    await page.getByRole('button', { name: /sign in/i }).first().click()
    await expect(page).toHaveURL(`${facts.report}/?image_status=running`)
    await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible()
    const cookies = await context.cookies()
    expect(cookies.filter((cookie) => cookie.httpOnly && cookie.sameSite !== 'None').length).toBeGreaterThan(0)
    await context.storageState({ path: session(role) })
    await context.close()
  })
}

test('one risk is accepted and one repository excepted before anybody looks', async () => {
  await send('exceptions', {
    target: 'vulnerability',
    kind: 'accepted_risk',
    vulnerability: 'CVE-2011-3374',
    reason: 'apt-key is not used in these images',
    scope: { repository: facts.images.demo.repository },
  })
  await send('exceptions', {
    target: 'repository',
    kind: 'accepted_risk',
    reason: 'thrown away every night',
    scope: { repository: facts.images.plain.repository },
  })
})
