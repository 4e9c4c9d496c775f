import { createElement } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { expect, test, vi } from 'vitest';
import { useEvery } from '../../src/components/useEvery';

test('an act is called though its component is drawn anew more often than that', async () => {
  vi.useFakeTimers();
  const seen: number[] = [];
  const Ticking = ({ n }: { n: number }) => {
    useEvery(1000, () => seen.push(n)); // another function each time
    return null;
  };
  const root = createRoot(document.createElement('div'));
  for (let n = 0; n < 10; n += 1) {
    flushSync(() => root.render(createElement(Ticking, { n })));
    await vi.advanceTimersByTimeAsync(300);
  }
  expect(seen).toEqual([3, 6, 9]);
  root.unmount();
  await vi.advanceTimersByTimeAsync(5000);
  expect(seen).toHaveLength(3);
  vi.useRealTimers();
});
