# libvirt in a Debian tree ($1), in mount, network and process namespaces of its own: no service manager, no bus, nothing
# of the host. Says `ready`; then for each word on its input does that to the machine `one`, and says `done`.
tree=$1
mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
for place in etc/libvirt/qemu run tmp var/cache var/lib/libvirt var/log; do
    mount -t tmpfs tmpfs "$tree/$place"
done
exec chroot "$tree" /bin/sh -eu -c '
mkdir -p /var/cache/libvirt/qemu /var/lib/libvirt/images /var/lib/libvirt/qemu /var/log/libvirt/qemu
# Without what would need a service manager or another daemon, so that it is measured at its quickest.
cat > /tmp/qemu.conf <<CONF
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
stdio_handler = "file"
CONF
mount --bind /tmp/qemu.conf /etc/libvirt/qemu.conf
qemu-img create -q -f qcow2 /var/lib/libvirt/images/one.qcow2 1G
cat > /tmp/one.xml <<XML
<domain type="qemu">
  <name>one</name>
  <memory unit="MiB">256</memory>
  <vcpu>1</vcpu>
  <os><type arch="x86_64" machine="pc-q35-10.0">hvm</type></os>
  <features><acpi/></features>
  <cpu mode="maximum"/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" discard="unmap"/>
      <source file="/var/lib/libvirt/images/one.qcow2"/>
      <target dev="vda" bus="virtio"/>
    </disk>
    <serial type="file"><source path="/tmp/serial.log"/></serial>
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
    <memballoon model="none"/>
  </devices>
</domain>
XML
libvirtd --daemon
virsh -q list > /dev/null
virsh -q define /tmp/one.xml
echo ready
while read -r word; do
    virsh -q "$word" one > /dev/null
    echo done
done
'
