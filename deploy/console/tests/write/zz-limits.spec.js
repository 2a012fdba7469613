// The very last, since it holds this machine's address off: who guesses tokens is made to wait.
import { expect, report, test } from '../support/world.js'

test.describe('guessing', () => {
  test.use({ role: null, refusals: [401, 403, 429] })

  test('a sign-in that is tried over and over is held off, and says for how long', async ({ page }) => {
    await page.goto('/sign-in')
    let held = null
    for (let at = 0; at < 100 && held === null; at += 1) {
      const answer = await page.request.post('/sign-in', { form: { token: `weir_guess_${at}` }, headers: { origin: report }, maxRedirects: 0 })
      if (answer.status() === 429) held = answer
    }
    expect(held, 'a hundred guesses went through').not.toBeNull()
    expect(Number(held.headers()['retry-after'])).toBeGreaterThan(0)
  })
})
