// The providers by which one may sign in or confirm: a button for each.
import { Button } from 'antd';
import type { Door } from '../api/outside';
import { useResource } from '../api/useResource';
import { pick, t } from '../i18n';

export function useDoors(tenant: string): Door[] {
  return useResource<{ providers: Door[] }>('sign-in', { tenant }).data?.providers ?? [];
}

/** The directories (LDAP) whose passwords the form takes. */
export function useDirectories(tenant: string): Door[] {
  return useResource<{ directories?: Door[] }>('sign-in', { tenant }).data?.directories ?? [];
}

/** The providers that take certificates. */
export function useCertificateDoors(tenant: string): Door[] {
  return useResource<{ certificates?: Door[] }>('sign-in', { tenant }).data?.certificates ?? [];
}

interface Props {
  doors: Door[];
  word: 'outside.enter' | 'outside.confirm';
  onPick: (door: Door) => void;
}

export function Doors({ doors, word, onPick }: Props) {
  return (
    <div className="doors">
      {doors.map((door) => (
        <Button key={door.id} block size={word === 'outside.enter' ? 'large' : 'middle'} onClick={() => onPick(door)}>
          {t(word, { name: pick(door, door.id) })}
        </Button>
      ))}
    </div>
  );
}
