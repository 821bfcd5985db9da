/** `run.sh` of a packed folder: plain POSIX shell with tar, gzip and sha256sum, which every Linux has. */
import type { Piece } from './split.ts';

/** A component of the packed folder, as run.sh needs to know it. */
export interface PackedComponent {
  readonly name: string;
  /** Whether nothing runs without it. */
  readonly required: boolean;
  readonly pieces: readonly Piece[];
}

/**
 * The script. It verifies each piece, unpacks every component of which all pieces are there, says which are not, and runs the check with the arguments
 * that it was given. Components that were unpacked before, from the same pieces, stay: pieces may come in several copies.
 */
export function runScript(components: readonly PackedComponent[]): string {
  const parts = components.map(({ name, required, pieces }) => {
    const sums = pieces.map(piece => `${piece.sha256}  ${piece.name}`).join('\n');
    return `unpack ${name} ${required ? 'required' : 'optional'} <<'SUMS'\n${sums}\nSUMS\n`;
  });
  return `#!/bin/sh
# Written by \`npm run check:gpu -- --pack\`: puts the pieces beside this file together and checks this machine's GPU.
#   sh run.sh [--output FOLDER] [other options of check:gpu]    checks the GPU
#   sh run.sh --unpack-only                                      puts together what is here
# MONOSEMANTIC_UNPACKED: where to unpack (default: unpacked/ beside this file).
# MONOSEMANTIC_PYTHON: a Python with PyTorch, to compare with (default: python3).
set -u
here=$(cd "$(dirname "$0")" && pwd)
there=\${MONOSEMANTIC_UNPACKED:-$here/unpacked}
mkdir -p "$there" || exit 1
there=$(cd "$there" && pwd)

# unpack NAME required|optional: its pieces and their SHA-256 come on standard input.
unpack() {
  sums=$(cat)
  mark="$there/.$1.sha256"
  if [ -f "$mark" ] && [ "$(cat "$mark")" = "$sums" ]; then return 0; fi
  missing=$(echo "$sums" | while read -r sum piece; do [ -f "$here/$piece" ] || printf ' %s' "$piece"; done)
  if [ -n "$missing" ]; then
    echo "run.sh: $1 is not complete, these are not here:$missing" >&2
    if [ "$2" = required ]; then exit 1; fi
    return 0
  fi
  if ! (cd "$here" && echo "$sums" | sha256sum -c --status 2>/dev/null); then
    (cd "$here" && echo "$sums" | sha256sum -c 2>&1 | grep -v ': OK$' >&2)
    echo "run.sh: $1 is damaged: copy the pieces named above again" >&2
    exit 1
  fi
  echo "run.sh: unpacking $1" >&2
  (cd "$here" && cat $(echo "$sums" | sed 's/^[^ ]*  //') | gzip -dc | tar -xf - -C "$there") || exit 1
  echo "$sums" >"$mark"
}

${parts.join('\n')}
if [ "\${1:-}" = --unpack-only ]; then exit 0; fi
package="$there/monosemantic"
# The last --output counts.
exec "$there/node/bin/node" --import "$package/node_modules/tsx/dist/loader.mjs" "$package/scripts/check-gpu.ts" --output "$here/results" "$@"
`;
}
