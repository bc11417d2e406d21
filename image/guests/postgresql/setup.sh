# The cluster, its role and its database; runs inside the tree.

data=/var/lib/postgresql/17/main
conf=/etc/postgresql/17/main
bin=/usr/lib/postgresql/17/bin

# Made by the package: no locale but C.UTF-8, which is the journal's character set.
[ -d $data ] || { echo "guests: the package made no cluster at $data" >&2; exit 1; }

# A certificate made here would be the same in every copy, its key known to all.
sed -i 's/^ssl = on/ssl = off/' $conf/postgresql.conf
rm -f /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/ssl/private/ssl-cert-snakeoil.key

cat >$conf/pg_hba.conf <<'HBA'
# Administration inside the guest: sudo -u postgres psql
local   all      postgres            peer
# The journal, for the guest's own subnet.
host    journal  journal  samenet    scram-sha-256
host    journal  journal  localhost  scram-sha-256
# Varde, for restarts on schedule.
host    journal  varde    samenet    scram-sha-256
HBA

single() {
    su postgres -c "$bin/postgres --single -j -D $data -c config_file=$conf/postgresql.conf \
        -c dynamic_shared_memory_type=mmap $1" >/dev/null
}

single postgres <<'SQL'
create role journal login password 'varde-demo';

create database journal owner journal;

SQL
{
    cat /run/prepare.sql
    printf "\nalter role varde password 'varde-demo';\n\n"
} | single journal
