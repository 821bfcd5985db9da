/** The row that the sample page shows. */
import { computed, effect } from '@preact/signals';
import { blockOf, readBlock } from '../data/rows.ts';
import { sae } from './models.ts';
import { probeInput } from './probe.ts';
import { resource } from './resource.ts';
import { rows } from './rows.ts';
import { selectedRow } from './selection.ts';

/** The selected row; undefined where the rows in use have no such row. */
export const rowInView = computed(() => {
  const row = selectedRow.value;
  const used = rows.value;
  return used && row !== undefined && row < used.count ? row : undefined;
});

const values = resource('The row could not be read', () => {
  const used = rows.value;
  const row = rowInView.value;
  const width = sae.value?.inputSize;
  if (!used || row === undefined || used.width !== width) return undefined;
  return {
    about: `${used.id} ${row}`,
    ask: async () => {
      const { features } = used;
      if (features) {
        const n = features.shape[1]!;
        return { row, used, type: 'features' as const, values: features.data.slice(row * n, (row + 1) * n) };
      }
      return { row, used, type: 'activations' as const, values: await readBlock(blockOf(used, row, 1)) };
    },
  };
});

// A chosen row becomes the input. Once the person changes that input, it no longer counts as the row.
effect(() => {
  const read = values.value;
  if (read) probeInput.value = { type: read.type, values: read.values };
});
