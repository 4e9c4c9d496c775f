"""What a power cut leaves: reads the trace of lie.c and makes a folder that the disk may hold afterwards.

What was synced is there. What was written and not synced may be there, in whole or by sectors of 512 bytes, in any order; names that were
made, changed or removed and whose folder was not synced may be so or not. How much of that is kept differs from cut to cut (`Cut`).
SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import shutil
import struct

OPEN, WRITE, ZERO, SIZE, SYNC, SAVED, LOST, RENAME, UNLINK, LINK, MKDIR, RMDIR, SYNC_DIR = range(1, 14)
CREATED, TRUNCATED = 1, 2
SECTOR = 512
HEAD = struct.Struct("<IBQQII")


class Cut:
    """How a cut treats what was not synced: the share of writes and of names that are kept, and whether writes tear."""

    def __init__(self, rng):
        self.rng = rng
        self.writes = rng.choice((0.0, 0.5, 0.9, 1.0))
        self.names = rng.choice((0.0, 0.5, 1.0))
        self.tears = rng.random() < 0.5
        self.in_order = rng.random() < 0.3  # as a journalling file system does with names

    def __str__(self):
        return f"writes kept {self.writes}, names kept {self.names}{', torn' if self.tears else ''}{', names in order' if self.in_order else ''}"


class File:
    """Bytes on the disk, and what waits for it: (number, offset, bytes or length of zeros) or (number, None, new length)."""

    __slots__ = ("disk", "waiting")

    def __init__(self, data=b""):
        self.disk = bytearray(data)
        self.waiting = []

    def apply(self, op):
        _, off, what = op
        if off is None:
            if what < len(self.disk):
                del self.disk[what:]
            else:
                self.disk.extend(bytes(what - len(self.disk)))
            return
        n = what if isinstance(what, int) else len(what)
        if off > len(self.disk):
            self.disk.extend(bytes(off - len(self.disk)))
        self.disk[off : off + n] = bytes(n) if isinstance(what, int) else what

    def saved(self, before):
        """Everything recorded before that number is durable, but for what a failed sync has let go of."""
        keep = []
        for op in self.waiting:
            if op[0] >= before or len(op) == 4:
                keep.append(op)
            else:
                self.apply(op)
                keep = [part for old in keep for part in self.without(old, op)]
        self.waiting = keep

    @staticmethod
    def without(old, new):
        """What is left of an older write that waits once a newer one is on the disk."""
        number, off, what = old[:3]
        if off is None or new[1] is None or number > new[0]:
            return [old]
        n = what if isinstance(what, int) else len(what)
        begin = new[1]
        end = begin + (new[2] if isinstance(new[2], int) else len(new[2]))
        if end <= off or begin >= off + n:
            return [old]
        parts = []
        if begin > off:
            parts.append((number, off, begin - off if isinstance(what, int) else what[: begin - off]) + old[3:])
        if end < off + n:
            parts.append((number, end, off + n - end if isinstance(what, int) else what[end - off :]) + old[3:])
        return parts

    def saved_one(self, number):
        """One write is durable (and the length that it needs)."""
        for i, op in enumerate(self.waiting):
            if op[0] == number:
                self.apply(op)
                older = [part for old in self.waiting[:i] for part in self.without(old, op)]
                self.waiting = older + self.waiting[i + 1 :]
                return

    def forget(self, before):
        """A sync failed: what waited may never be saved, whatever later syncs say."""
        self.waiting = [op + ("lost",) if op[0] < before and len(op) == 3 else op for op in self.waiting]

    def cut(self, how):
        for op in self.waiting:
            _, off, what = op[:3]
            if how.rng.random() >= how.writes:
                if how.tears and off is not None and not isinstance(what, int) and how.writes > 0:
                    self.torn(off, what, how)
                continue
            self.apply(op[:3])
        self.waiting = []

    def torn(self, off, what, how):
        at = 0
        while at < len(what):
            n = min(SECTOR - (off + at) % SECTOR, len(what) - at)
            if how.rng.random() < 0.5:
                self.apply((0, off + at, what[at : at + n]))
            at += n


class Disk:
    """Names and files below one folder. Paths are relative to it and begin with a slash."""

    def __init__(self, root):
        self.root = root
        self.names = {}    # durable: path -> File, or None for a folder
        self.now = {}      # as the program sees it
        self.waiting = []  # (number, kind, a, b, File) of names
        self.inodes = {}
        for folder, subs, files in os.walk(root):
            for name in subs:
                self.names[os.path.join(folder, name)[len(root) :]] = None
            for name in files:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    self.names[path[len(root) :]] = file = File(f.read())
                self.inodes[os.stat(path).st_ino] = file
        self.now = dict(self.names)

    def read(self, trace):
        """Follows a trace to its end (the last record may be cut off). Returns how many records it had."""
        with open(trace, "rb") as f:
            data = f.read()
        at, number = 0, 0
        while at + HEAD.size <= len(data):
            size, kind, inode, off, n1, n2 = HEAD.unpack_from(data, at)
            if at + 4 + size > len(data):
                break
            body = at + HEAD.size
            self.step(number, kind, inode, off, data[body : body + n1], n2 if kind == ZERO else data[body + n1 : body + n1 + n2])
            at += 4 + size
            number += 1
        return number

    def step(self, number, kind, inode, off, a, b):
        if kind == OPEN:
            self.open(number, inode, off, a.decode())
        elif kind in (WRITE, ZERO, SIZE):
            self.inodes[inode].waiting.append((number, None if kind == SIZE else off, off if kind == SIZE else b if kind == ZERO else a))
        elif kind == SYNC:
            self.inodes[inode].saved(off)
        elif kind == SAVED:
            self.inodes[inode].saved_one(off)
        elif kind == LOST:
            if inode in self.inodes:  # a folder has none: its names stay as they were
                self.inodes[inode].forget(off)
        elif kind == SYNC_DIR:
            self.sync_folder(a.decode(), off)
        else:
            self.name(number, kind, a.decode(), b.decode())

    def open(self, number, inode, how, path):
        if how & CREATED:
            self.inodes[inode] = file = File()
            self.now[path] = file
            self.waiting.append((number, OPEN, path, None, file))
            return
        file = self.now[path]
        self.inodes[inode] = file
        if how & TRUNCATED:
            file.waiting.append((number, None, 0))

    def name(self, number, kind, a, b):
        file = self.now.get(a)
        self.waiting.append((number, kind, a, b, file))
        self.change(self.now, kind, a, b, file)

    @staticmethod
    def change(names, kind, a, b, file):
        if kind == OPEN:
            names[a] = file
        elif kind == MKDIR:
            names[a] = None
        elif kind in (UNLINK, RMDIR):
            names.pop(a, None)
        elif kind == LINK:
            names[b] = file
        elif kind == RENAME:
            for path in [p for p in names if p.startswith(a + "/")]:
                names[b + path[len(a) :]] = names.pop(path)
            names.pop(a, None)
            names[b] = file

    def sync_folder(self, folder, before):
        keep = []
        for op in self.waiting:
            paths = [p for p in (op[2], op[3]) if p]
            if op[0] < before and any(os.path.dirname(p) == (folder or "/") for p in paths):
                self.change(self.names, *op[1:])
            else:
                keep.append(op)
        self.waiting = keep

    def cut(self, how):
        """The power goes. Afterwards the model holds what is on the disk, and `make` writes it."""
        stopped = False
        for op in self.waiting:
            stopped = stopped or how.rng.random() >= how.names
            if stopped:
                stopped = how.in_order
                continue
            self.change(self.names, *op[1:])
        self.waiting = []
        for file in {id(f): f for f in self.names.values() if f is not None}.values():
            file.cut(how)
        for path in [p for p in self.names if p.endswith("-shm")]:  # written through memory; made anew at the next open
            del self.names[path]

    def make(self):
        """Writes the folder as the disk holds it."""
        shutil.rmtree(self.root)
        os.mkdir(self.root, 0o700)
        for path in sorted(self.names):
            parent = os.path.dirname(path)
            if parent != "/" and not os.path.isdir(self.root + parent):
                continue  # its folder was never made durable
            if self.names[path] is None:
                os.mkdir(self.root + path, 0o700)
        for path, file in self.names.items():
            if file is not None and os.path.isdir(os.path.dirname(self.root + path)):
                fd = os.open(self.root + path, os.O_WRONLY | os.O_CREAT, 0o600)
                with os.fdopen(fd, "wb") as f:
                    f.write(file.disk)


def self_test():
    """The rules themselves: what is synced stays, what is not may go, a failed sync is not mended by the next."""
    never, always = Cut(random.Random(1)), Cut(random.Random(1))
    never.writes, never.names, never.tears = 0.0, 0.0, False
    always.writes, always.names, always.tears, always.in_order = 1.0, 1.0, False, False
    for how, want in ((never, b"ab"), (always, b"abcd")):
        f = File()
        f.waiting = [(0, 0, b"ab")]
        f.saved(1)
        f.waiting.append((2, 2, b"cd"))
        f.cut(how)
        assert bytes(f.disk) == want, (how, f.disk)
    f = File()
    f.waiting = [(0, 0, b"ab")]
    f.forget(1)
    f.waiting.append((2, 2, b"cd"))
    f.saved(3)
    f.cut(never)
    assert bytes(f.disk) == b"\0\0cd", f.disk
    f = File()
    f.waiting = [(0, 0, b"abcd")]
    f.forget(1)
    f.waiting.append((2, 1, b"XY"))
    f.saved(3)
    f.cut(always)
    assert bytes(f.disk) == b"aXYd", f.disk
    f = File(b"xyz")
    f.waiting = [(0, 0, b"abc"), (1, None, 2)]
    f.saved_one(0)
    f.cut(never)
    assert bytes(f.disk) == b"abc", f.disk


self_test()
