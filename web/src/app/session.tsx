import { createContext, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import type { ReactNode } from 'react';
import { asProblem, call, get, post, Problem, setCsrf, whenSignedOut } from '../api/client';
import type { Session } from '../api/types';
import type { Assertion } from '../api/webauthn';
import { hasChosenLanguage, setLanguage, t } from '../i18n';

type State = 'loading' | 'in' | 'out';

interface Value {
  state: State;
  session: Session | null;
  /** Why the last attempt with a one-time link failed, or why the server did not answer. */
  problem: Problem | null;
  signIn: (user: string, password: string, code?: string, assertion?: Assertion) => Promise<void>;
  /** Reads the session again, after something about the account has changed. */
  refresh: () => Promise<void>;
  signOut: () => Promise<void>;
  /** Everywhere, or for a part of the plant: the server shows that part alone. */
  may: (permission: string) => boolean;
  /** Everywhere in the tenant: for what is about all devices at once. */
  mayAll: (permission: string) => boolean;
}

const Context = createContext<Value | null>(null);

export function useSession(): Value {
  const value = useContext(Context);
  if (!value) throw new Error('useSession outside of SessionProvider');
  return value;
}

/** The code of a one-time sign-in link (#/link/<code>); the address is cleaned at once. */
function takeLink(): string | null {
  const found = /^#\/link\/(.+)$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, '', '/');
  return decodeURIComponent(found[1] ?? '');
}

class LinkRefused extends Problem {
  constructor() {
    super(410, { code: 'bad_link', title: t('signIn.linkBad'), remedy: t('signIn.linkRemedy') });
  }
}

async function firstSession(): Promise<Session> {
  const link = takeLink();
  if (link) {
    await post('sessions/link', { link }).catch((error: unknown) => {
      const fault = asProblem(error);
      throw fault.status === 401 ? new LinkRefused() : fault;
    });
  }
  return get<Session>('sessions/current');
}

let first: Promise<Session> | null = null;

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<State>('loading');
  const [session, setSession] = useState<Session | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);

  const enter = useCallback((next: Session) => {
    setCsrf(next.csrf);
    const lang = next.user.language;
    if (!hasChosenLanguage() && (lang === 'zh' || lang === 'en')) void setLanguage(lang, false).catch(() => undefined); // it stays as it is
    setSession(next);
    setProblem(null);
    setState('in');
  }, []);
  const leave = useCallback(() => {
    setCsrf('');
    setSession(null);
    setState('out');
  }, []);

  useEffect(() => {
    whenSignedOut(leave);
    first ??= firstSession();
    first.then(enter, (error: unknown) => {
      const fault = asProblem(error);
      if (fault.status !== 401) setProblem(fault);
      leave();
    });
  }, [enter, leave]);

  const signIn = useCallback(
    async (user: string, password: string, code?: string, assertion?: Assertion) => {
      await post('sessions', { user, password, ...(code ? { code } : {}), ...(assertion ? { assertion } : {}) });
      enter(await get<Session>('sessions/current'));
    },
    [enter],
  );
  const refresh = useCallback(async () => enter(await get<Session>('sessions/current')), [enter]);
  const signOut = useCallback(async () => {
    try {
      // By a provider: the browser goes there to sign out as well, and comes back.
      const { data } = await call<{ sign_out?: string } | null>('DELETE', 'sessions/current');
      if (data?.sign_out) location.assign(data.sign_out);
    } finally {
      leave();
    }
  }, [leave]);

  const value = useMemo<Value>(() => {
    const held = session?.permissions;
    const mayAll = (permission: string) =>
      !held || held.includes('*') || held.includes(permission) ||
      held.includes(`${permission.split('.')[0]}.*`);
    const may = (permission: string) => mayAll(permission) || (session?.in_part ?? []).includes(permission);
    return { state, session, problem, signIn, refresh, signOut, may, mayAll };
  }, [state, session, problem, signIn, refresh, signOut]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}
