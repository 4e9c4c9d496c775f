import { describe, expect, test } from 'vitest';
import { unseenOf } from '../../src/app/Notices';
import { clearEnded, currentTasks, runTask } from '../../src/app/tasks';
import { Problem } from '../../src/api/client';

describe('tasks', () => {
  test('show progress, and what became of them', async () => {
    let go = () => {};
    const waiting = new Promise<void>((resolve) => (go = resolve));
    const ending = runTask('one', async (tell) => {
      tell(1, 4);
      await waiting;
      tell(4, 4);
      return { result: 'four' };
    });
    expect(currentTasks()[0]).toMatchObject({ title: 'one', state: 'running', done: 1, total: 4 });
    go();
    await ending;
    expect(currentTasks()[0]).toMatchObject({ state: 'done', done: 4, result: 'four', stop: null });
  });
  test('a fault is the task\'s, a stop is asked for', async () => {
    const ended = await runTask('bad', () => Promise.reject(new Problem(500, { title: 'no' })));
    expect(ended.problem?.title).toBe('no');
    expect(currentTasks()[0]).toMatchObject({ state: 'failed' });
    const ending = runTask('long', (_tell, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ stopped: true }))));
    currentTasks()[0]?.stop?.();
    await ending;
    expect(currentTasks()[0]).toMatchObject({ state: 'stopped' });
    clearEnded();
    expect(currentTasks()).toEqual([]);
  });
});

describe('notices', () => {
  const p = (code: string, object?: string) => ({ level: 'warning' as const, code, text: code, object });
  test('what is new is counted; what went away may be new again', () => {
    expect(unseenOf([p('a'), p('b', 'x')], ['a '])).toEqual({ unseen: 1, kept: ['a '] });
    expect(unseenOf([p('b', 'x')], ['a ', 'b x'])).toEqual({ unseen: 0, kept: ['b x'] });
    expect(unseenOf([], ['a '])).toEqual({ unseen: 0, kept: [] });
  });
});
