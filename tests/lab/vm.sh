# Sourced by tests that need what the kernel of this machine may lack: they run once more, inside of a Debian kernel under qemu (TCG, so anywhere).
#
#   . vm.sh; vm_wanted MODULE; . lab.sh; vm_enter MODULE      from here on the module is there, in this kernel or in that one
#
# The machine in there is an initramfs with the programs of the lab, the binary and tests/lab, at the paths that they have here.
VM_CACHE=${EGRESSD_CACHE:-/var/cache/egressd}/vm
VM_QEMU=qemu-system-x86_64
VM_MODULES="8021q vxlan veth bridge nf_tables nf_conntrack nf_conntrack_netlink nf_nat nft_ct nft_nat nft_chain_nat nft_fib_inet nft_hash nft_numgen nft_socket dummy"
VM_PROGRAMS="bash sh env echo printf cat cp mv rm ls ln mkdir chmod head tail sort tr cut wc seq sleep date id basename dirname base64 touch timeout readlink true false
  grep sed awk sysctl ip bridge nft ping python3 setpriv unshare mount umount chrt flock kill nsenter mktemp sha256sum tee xargs find stat"
vm_has() { modprobe "$1" 2>/dev/null || [[ -d /sys/module/$1 ]] || grep -qE "/$1\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null; }
# vm_wanted MODULE, outside of the lab (there is no network inside): what it takes to start that machine
vm_wanted() {
  [[ -z ${LAB_INSIDE:-} ]] || return 0
  vm_has "$1" && return 0
  type -P $VM_QEMU >/dev/null && type -P busybox >/dev/null || LAB_PACKAGES="${LAB_PACKAGES:-} qemu-system-x86 busybox-static"
  [[ -z $(ls "$VM_CACHE"/boot/vmlinuz-* 2>/dev/null) ]] || return 0
  local package
  mkdir -p "$VM_CACHE"
  (
    flock 8
    cd "$VM_CACHE"
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
    [[ -n $package ]] && apt-get download -qq "$package" >/dev/null 2>&1 && dpkg -x "$package"_*.deb . && rm -f "$package"_*.deb
  ) 8>"$VM_CACHE/lock" || true
}
vm_copy() {  # vm_copy DIRECTORY FILE…: with the libraries that they need
  local root=$1 file library
  shift
  for file; do
    mkdir -p "$root$(dirname "$file")"
    [[ -e $root$file ]] || cp -L "$file" "$root$file"
    for library in $(ldd "$file" 2>/dev/null | awk '$2 == "=>" && $3 ~ "^/" { print $3 } $1 ~ "^/" && NF == 2 { print $1 }'); do
      [[ -e $root$library ]] || { mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"; }
    done
  done
}
vm_image() {  # vm_image FILE: the initramfs
  local root=$LAB/vm version program module standard
  version=$(basename "$VM_CACHE"/lib/modules/*)
  mkdir -p "$root"/{proc,sys,dev,run,tmp,etc,var/run,usr/bin,usr/sbin,usr/lib,usr/lib64}
  for program in bin sbin lib lib64; do ln -s "usr/$program" "$root/$program"; done
  for program in $VM_PROGRAMS; do vm_copy "$root" "$(type -P "$program")"; done
  vm_copy "$root" "$(type -P busybox)"
  ln -s "$(type -P busybox)" "$root/sbin/modprobe"   # the kernel asks for what it needs
  standard=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  mkdir -p "$root$standard"
  cp -a "$standard"/. "$root$standard"
  rm -rf "$root$standard"/{test,idlelib,tkinter,lib2to3,ensurepip,distutils,pydoc_data} && find "$root$standard" -name __pycache__ -prune -exec rm -rf {} +
  for module in "$standard"/lib-dynload/*.so; do vm_copy "$root" "$module"; done
  [[ ! -d /usr/lib/locale/C.utf8 ]] || { mkdir -p "$root/usr/lib/locale" && cp -a /usr/lib/locale/C.utf8 "$root/usr/lib/locale/"; }
  mkdir -p "$root$LAB_DIR" "$root$(dirname "$EGRESSD")" "$root/lib/modules"
  cp -a "$LAB_DIR"/. "$root$LAB_DIR"
  vm_copy "$root" "$EGRESSD" ${VM_FILES:-}   # a binary that is not static brings its files
  cp -a "$VM_CACHE/lib/modules/$version" "$root/lib/modules/"
  busybox depmod -b "$root" "$version" 2>/dev/null || true
  cat >"$root/init" <<INIT
#!/bin/bash
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
for module in $VM_MODULES; do busybox modprobe \$module 2>/dev/null; done
LAB_INSIDE=1 LAB_VM=1 EGRESSD=$EGRESSD /bin/bash $LAB_DIR/$LAB_TEST.sh </dev/null 2>&1
echo "vm: exit \$?"
busybox poweroff -f
INIT
  chmod +x "$root/init"
  (cd "$root" && busybox find . | busybox cpio -o -H newc 2>/dev/null) >"$1"
  rm -rf "$root"
}
# vm_enter MODULE: returns where the module is; else runs this test in a machine that has it, and ends with its verdict
vm_enter() {
  [[ -n ${LAB_VM:-} ]] && return 0
  vm_has "$1" && return 0
  local kernel
  kernel=$(ls "$VM_CACHE"/boot/vmlinuz-* 2>/dev/null | head -1)
  if [[ -z $kernel ]] || ! type -P $VM_QEMU busybox >/dev/null; then
    echo "SKIPPED: this kernel has no $1, and neither qemu nor a Debian kernel could be installed, nothing was tested"
    exit 0
  fi
  say "this kernel has no $1: the test runs under ${kernel##*/vmlinuz-} in qemu"
  vm_image "$LAB/initramfs"
  timeout "${VM_SECONDS:-240}" $VM_QEMU -accel tcg -cpu max -m ${VM_MEGABYTES:-1024} -nographic -no-reboot -nodefaults -serial stdio -kernel "$kernel" \
    -initrd "$LAB/initramfs" -append "console=ttyS0 panic=1 quiet loglevel=3" </dev/null >"$LAB/console" 2>&1 || true
  tr -d '\r' <"$LAB/console" >"$LAB/console.text"
  grep -v "^vm: exit" "$LAB/console.text" | sed -n '/[·]\|ok:\|FAILED\|====\|----\|rror/,$p' | tail -n 120
  grep -q "^vm: exit 0" "$LAB/console.text" || { tail -5 "$LAB/console.text"; fail "the test did not pass in the machine"; }
  exit 0
}
