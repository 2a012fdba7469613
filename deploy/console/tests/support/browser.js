// Where the distribution's Chromium is.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

// Its path: WEIR_CHROMIUM, else the first of that name in PATH.
export function chromium() {
  if (process.env.WEIR_CHROMIUM) return process.env.WEIR_CHROMIUM
  for (const place of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(place, 'chromium')
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // Not here.
    }
  }
  throw new Error('chromium is not installed: run deploy/install.sh run')
}
