// A real OpenID Connect provider for the tests: the certified oidc-provider, with accounts whose groups are in their tokens.
//
// Takes:  PORT CLIENT_ID CLIENT_SECRET_FILE REDIRECT_URI
// Does:   answers on 127.0.0.1:PORT; its own pages ask for a login (one of ACCOUNTS, any password) and a consent.
// Leaves: nothing; sessions and grants are in memory. Prints one line when it answers.
import { readFileSync } from 'node:fs'
import Provider from 'oidc-provider'

const [port, clientId, secretFile, redirectUri] = process.argv.slice(2)

// The groups of each account; the last has none of those that weir is told about.
const ACCOUNTS = {
  vera: ['viewers'],
  edith: ['editors', 'staff'],
  adam: ['administrators'],
  nobody: ['staff'],
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId,
    client_secret: readFileSync(secretFile, 'utf8').trim(),
    redirect_uris: [redirectUri],
  }],
  claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email'], groups: ['groups'] },
  scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
  // weir reads the ID token: the claims of the scopes belong into it.
  conformIdTokenClaims: false,
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id, email: `${id}@weir.test`, groups: ACCOUNTS[id] ?? [] }),
  }),
  cookies: { keys: ['of these tests alone'] },
  pkce: { required: () => true },
})

provider.listen(Number(port), '127.0.0.1', () => console.log(`provider answers on ${port}`))
