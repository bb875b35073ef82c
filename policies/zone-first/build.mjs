// Builds the policy: node build.mjs [FILE]

import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';

const file = process.argv[2] ?? 'zone-first.wasm';
const { component, imports } = await componentize({
  sourcePath: 'policy.js',
  witPath: 'wit',
  worldName: 'zone-first',
  // The balancer has none of these.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
if (imports.length > 0) throw new Error(`the policy imports ${JSON.stringify(imports)}`);
await writeFile(file, component);
