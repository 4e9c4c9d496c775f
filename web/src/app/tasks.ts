// Long work that goes on while one looks at other pages: what runs, how far it is, a stop, and what became of it.
import { useSyncExternalStore } from 'react';
import { asProblem, type Problem } from '../api/client';

export interface Task {
  id: number;
  title: string;
  state: 'running' | 'done' | 'stopped' | 'failed';
  done: number;
  total: number; // 0 = not known
  /** How far, in words of the work; '' = the figures are the words. */
  note: string;
  /** In one line, when it has ended. */
  result: string;
  problem: Problem | null;
  began: number;
  stop: (() => void) | null;
}

export interface Ending {
  stopped?: boolean;
  result?: string;
  problem?: Problem | null;
}
type Work = (tell: (done: number, total?: number, note?: string) => void, signal: AbortSignal) => Promise<Ending>;

const KEPT = 20;
const TELL_MS = 100; // a fast run does not draw for each step

let tasks: readonly Task[] = [];
let next = 1;
const listeners = new Set<() => void>();

function put(id: number, change: Partial<Task>): void {
  tasks = tasks.map((task) => (task.id === id ? { ...task, ...change } : task));
  listeners.forEach((listener) => listener());
}

function leaving(event: BeforeUnloadEvent): void {
  event.preventDefault(); // the browser asks whether to leave
}
function guardWindow(): void {
  if (typeof window === 'undefined') return;
  window.removeEventListener('beforeunload', leaving);
  if (tasks.some((task) => task.state === 'running')) window.addEventListener('beforeunload', leaving);
}

/** Runs it; never throws: the fault is the task's. */
export async function runTask(title: string, work: Work, abort = new AbortController()): Promise<Ending> {
  const id = next++;
  let told = 0;
  tasks = [
    { id, title, state: 'running' as const, done: 0, total: 0, note: '', result: '', problem: null, began: Date.now(), stop: () => abort.abort() },
    ...tasks,
  ].filter((task, i) => i < KEPT || task.state === 'running');
  put(id, {});
  guardWindow();
  let ending: Ending;
  try {
    ending = await work((done, total, note = '') => {
      const now = Date.now();
      if (now - told < TELL_MS && done !== total) return;
      told = now;
      put(id, total === undefined ? { done, note } : { done, total, note });
    }, abort.signal);
  } catch (error) {
    ending = { problem: asProblem(error) };
  }
  const state = ending.problem ? 'failed' : ending.stopped ? 'stopped' : 'done';
  put(id, { state, result: ending.result ?? '', problem: ending.problem ?? null, stop: null });
  guardWindow();
  return ending;
}

export function clearEnded(): void {
  tasks = tasks.filter((task) => task.state === 'running');
  put(0, {});
}

export function currentTasks(): readonly Task[] {
  return tasks;
}
export function useTasks(): readonly Task[] {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, currentTasks);
}
