# Set-up that all guests share; runs inside the tree.

# The demo account. Its password is written on the login prompt: these are guests to try things on.
useradd --create-home --shell /bin/bash --groups sudo --comment 'Demo' demo
echo demo:varde-demo | chpasswd
passwd --quiet --lock root

# Empty, not missing: each copy gets an ID of its own, and its first boot is an ordinary one.
: >/etc/machine-id

# Nothing asks for a look at the whole system because /usr would be newer than the image.
touch /etc/.updated /var/.updated

# What the installation left.
rm -rf /var/cache/apt /var/lib/apt /var/log/* /var/cache/debconf/* /var/lib/dpkg/*-old
