// How the suite runs: `cargo test --test e2e console` makes the world and starts it; by itself it needs that world's WEIR_FACTS.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from '@playwright/test'
import { chromium } from './tests/support/browser.js'

const output = process.env.WEIR_OUTPUT ?? join(tmpdir(), 'weir-console')

export default defineConfig({
  testDir: 'tests',
  outputDir: join(output, 'results'),
  reporter: [['line']],
  // The machine of CI has two cores, and weir and its clusters are on it too.
  workers: 2,
  fullyParallel: true,
  timeout: 30_000,
  expect: { timeout: 5_000 },
  forbidOnly: true,
  use: {
    viewport: { width: 1440, height: 900 },
    // Nothing leaves the machine.
    launchOptions: { executablePath: chromium(), args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'] },
    trace: 'off',
    screenshot: 'only-on-failure',
  },
  projects: [
    { name: 'setup', testMatch: /setup\.js/ },
    { name: 'reading', testMatch: /read\/.*\.spec\.js/, dependencies: ['setup'] },
    // What decides changes what everybody reads: one after the other, after all that only reads.
    { name: 'writing', testMatch: /write\/.*\.spec\.js/, dependencies: ['reading'], workers: 1, fullyParallel: false },
  ],
})
