/** Bundles the command into dist/sallyport.js: `npm run build`. */
import { build } from 'esbuild'

// Packages in CommonJS call require, which an ES module does not have by itself.
const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

await build({
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/sallyport.js',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  banner: { js: banner },
  legalComments: 'linked',
  logLevel: 'warning',
})
