#!/bin/bash
# build/egressd is one static file under 8 MB that runs in an empty chroot.
. "$(dirname "$0")/lab.sh"
bytes=$(stat -c %s "$EGRESSD")
((bytes < 8 * 1024 * 1024)) || fail "$bytes bytes"
say "$bytes bytes"
linked=$(ldd "$EGRESSD" 2>&1 || true)
[[ $linked == *"not a dynamic executable"* || $linked == *"statically linked"* ]] || fail "ldd: $linked"
equal "ELF: interpreter, needed libraries" "[0, 0]" "$($PYTHON - "$EGRESSD" <<'PY'
import struct, sys
elf = open(sys.argv[1], "rb").read()
assert elf[:5] == b"\x7fELF\x02"
offset, = struct.unpack_from("<Q", elf, 32)
size, count = struct.unpack_from("<HH", elf, 54)
headers = [struct.unpack_from("<IIQQQQ", elf, offset + i * size) for i in range(count)]
needed = 0
for kind, _, start, _, _, length in headers:
    if kind == 2:  # PT_DYNAMIC (of a static-pie)
        needed += sum(struct.unpack_from("<Q", elf, start + i)[0] == 1 for i in range(0, length, 16))
print([sum(h[0] == 3 for h in headers), needed])
PY
)"
[[ -z $(type -P file) ]] || file "$EGRESSD" | grep -c 'statically linked\|static-pie' >/dev/null || fail "$(file "$EGRESSD")"
mkdir "$LAB/empty"
cp "$EGRESSD" "$LAB/empty/egressd"
ln -s egressd "$LAB/empty/egressctl"
standard_policy >"$LAB/empty/policy.yaml"
say "in an empty chroot: $(chroot "$LAB/empty" /egressctl version | head -n1)"
chroot "$LAB/empty" /egressctl validate -f /policy.yaml || fail "validate in an empty chroot"
chroot "$LAB/empty" /egressd --version >/dev/null || fail "egressd --version in an empty chroot"
[[ $(readlink "$(dirname "$EGRESSD")/egressctl") == egressd ]] || fail "build/egressctl is not a symlink to egressd"
pass
