/** Bundles the command into dist/sallyport.js, or into the file that is named: `npm run build`. */
import { build } from 'esbuild'

// Packages in CommonJS call require, which an ES module does not have by itself.
const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

await build({
  entryPoints: ['src/cli/main.ts'],
  outfile: process.argv[2] ?? 'dist/sallyport.js',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  banner: { js: banner },
  legalComments: 'linked',
  logLevel: 'warning',
})
