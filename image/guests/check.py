#!/usr/bin/python3
"""Boots a guest image in QEMU and tries what the site will use of it: login on the serial line, guest agent, its TCP
port, power button. Prints when each came, in seconds from the start of QEMU. Run it where QEMU is, for example in the
toolbox; the image itself is not written to."""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

USER, PASSWORD = "demo", "varde-demo"
OVMF = Path("/usr/share/OVMF")


class Failed(Exception):
    pass


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--accel", default="tcg,thread=multi", help="QEMU's -accel")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--memory", default="256M")
    parser.add_argument("--firmware", choices=["bios", "uefi"], default="bios")
    parser.add_argument("--size", help="size of the disk, to see it grow")
    parser.add_argument("--bound", type=float, default=180, help="seconds that any one thing may take")
    parser.add_argument("--run", action="append", default=[], help="one more command to type; its output is printed")
    return parser.parse_args()


def qemu(options, scratch, port):
    """The command line: the devices that varde-vm-exec gives a machine, with QEMU's own network."""
    disk = scratch / "disk.qcow2"
    backing = ["-b", str(options.image.resolve()), "-F", "qcow2"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(disk), *filter(None, [options.size])], check=True)
    guest_port = 5432 if "postgresql" in options.image.name else 80
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35",
            "-accel", options.accel, "-cpu", options.cpu, "-smp", "1", "-m", options.memory,
            "-blockdev", f"driver=qcow2,node-name=disk,file.driver=file,file.filename={disk},discard=unmap",
            "-device", "virtio-blk-pci,drive=disk,bootindex=0",
            "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{guest_port}",
            "-device", "virtio-net-pci,netdev=net,romfile=",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={scratch}/agent,server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-chardev", f"socket,id=serial,path={scratch}/serial,server=on,wait=off",
            "-serial", "chardev:serial", "-qmp", f"unix:{scratch}/qmp,server=on,wait=off"]
    if options.firmware == "uefi":
        variables = scratch / "vars.fd"
        variables.write_bytes((OVMF / "OVMF_VARS_4M.fd").read_bytes())
        argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
                 "-drive", f"if=pflash,format=raw,file={variables}"]
    return argv


class Machine:
    def __init__(self, options, scratch):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.options, self.scratch, self.seen = options, scratch, ""
        self.began = time.monotonic()
        self.process = subprocess.Popen(qemu(options, scratch, self.port))
        self.serial = self.connect("serial")

    def elapsed(self):
        return time.monotonic() - self.began

    def cpu(self):
        """Seconds of processor that QEMU has used: what a boot costs however busy the host is."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def until(self, what, attempt, pause=0.05):
        """Calls attempt until it gives something, within the bound."""
        end = time.monotonic() + self.options.bound
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failed(f"QEMU ended with {self.process.returncode} while waiting for {what}")
            result = attempt()
            if result:
                return result
            time.sleep(pause)
        raise Failed(f"{what} did not come within {self.options.bound:.0f} s")

    def connect(self, name):
        def attempt():
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.scratch / name))
            except OSError:
                connection.close()
                return None
            connection.settimeout(2)
            return connection
        return self.until(f"QEMU's socket {name}", attempt)

    def read_serial(self):
        try:
            self.seen += self.serial.recv(65536).decode(errors="replace")
        except TimeoutError:
            pass
        self.seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.seen)

    def expect(self, pattern):
        """Waits for the pattern on the serial line and forgets all up to its end."""
        def attempt():
            found = re.search(pattern, self.seen)
            if not found:
                self.read_serial()
            return found
        found = self.until(f"«{pattern}» on the serial line", attempt, pause=0)
        self.seen = self.seen[found.end():]
        return found

    def type(self, line):
        self.serial.sendall(line.encode() + b"\r")

    def command(self, line):
        """Types a command at the prompt; gives what it printed."""
        self.type(f"{line}; echo done-$?")
        found = self.expect(r"echo done-\$\?\n((?:.|\n)*?)done-(\d+)\n")
        if found[2] != "0":
            raise Failed(f"«{line}» in the guest gave {found[2]}: {found[1].strip()}")
        # What is typed before the shell reads is echoed twice: the output comes after the last echo.
        return found[1].rpartition("echo done-$?\n")[2].strip()

    def agent_ping(self):
        """One question, held by QEMU until the agent opens its port. An answer that nobody reads would keep the agent in
        a loop of writes, so the connection stays until it is here."""
        agent = self.connect("agent")
        agent.sendall(b'{"execute":"guest-ping"}\n')
        answer = b""

        def attempt():
            nonlocal answer
            try:
                answer += agent.recv(4096)
            except TimeoutError:
                pass
            return answer.endswith(b"\n")
        self.until("the guest agent", attempt)
        if json.loads(answer) != {"return": {}}:
            raise Failed(f"the guest agent answered guest-ping with {answer}")

    def power_button(self):
        qmp = self.connect("qmp")
        qmp.settimeout(self.options.bound)
        stream = qmp.makefile("rwb")
        json.loads(stream.readline())
        for command in ("qmp_capabilities", "system_powerdown"):
            stream.write(json.dumps({"execute": command}).encode() + b"\n")
            stream.flush()
            while "return" not in json.loads(stream.readline()):
                pass
        while True:
            event = json.loads(stream.readline() or b'{"event":"end"}')
            if event.get("event") == "SHUTDOWN":
                if event["data"]["reason"] != "guest-shutdown":
                    raise Failed(f"the machine ended by {event['data']['reason']}, not by its own shutdown")
                return
            if event.get("event") == "end":
                raise Failed("QEMU closed its control socket before the guest had shut down")


def http_answers(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return b"200 OK" in answer and "Varden brenner".encode() in answer


def postgresql_answers(port, password=PASSWORD):
    """Logs in by SCRAM-SHA-256 (RFC 5802, RFC 7677) and asks which database this is. False while it is not up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        stream = connection.makefile("rwb")

        def send(kind, body):
            stream.write(kind + struct.pack("!I", len(body) + 4) + body)
            stream.flush()

        def receive(expected):
            while True:
                header = stream.read(5)
                if len(header) < 5:
                    raise OSError("the connection was closed")
                body = stream.read(struct.unpack("!I", header[1:])[0] - 4)
                if header[:1] == b"E":
                    fields = {field[:1]: field[1:].decode() for field in body.split(b"\0") if field}
                    if fields[b"C"] == "57P03":
                        raise OSError("still starting")
                    raise Failed(f"PostgreSQL refused: {fields[b'M']}")
                if header[:1] == expected:
                    return body

        send(b"", struct.pack("!I", 196608) + b"user\0journal\0database\0journal\0\0")
        if b"SCRAM-SHA-256" not in receive(b"R"):
            raise Failed("PostgreSQL did not ask for SCRAM-SHA-256")
        first = f"n=,r={secrets.token_hex(12)}"
        message = b"n,," + first.encode()
        send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(message)) + message)
        server = receive(b"R")[4:].decode()
        nonce, salt, rounds = (part.split("=", 1)[1] for part in server.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={nonce}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{server},{last}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        send(b"p", f"{last},p={proof}".encode())
        receive(b"Z")
        send(b"Q", b"select current_database()\0")
        row = receive(b"D")
        send(b"X", b"")
        return row.endswith(b"journal")


def check(machine):
    def came(what):
        print(f"{machine.elapsed():7.1f} s  {machine.cpu():7.1f} s of processor  {what}", flush=True)

    postgresql = "postgresql" in machine.options.image.name
    machine.expect(r"login: $")
    came("login prompt")
    machine.agent_ping()
    came("guest agent answers guest-ping")

    def served():
        try:
            return (postgresql_answers if postgresql else http_answers)(machine.port)
        except OSError:
            return False
    machine.until("the TCP service", served)
    came("PostgreSQL answers a query after a SCRAM login" if postgresql else "HTTP page served")
    if postgresql:
        try:
            postgresql_answers(machine.port, "wrong")
            raise Failed("PostgreSQL let a wrong password in")
        except Failed as refused:
            if "authentication failed" not in str(refused):
                raise

    machine.type(USER)
    machine.expect("Password: ")
    machine.type(PASSWORD)
    machine.expect(r"demo@\S+:~\$ $")
    came("logged in on the serial line")
    # Wide, so that the shell does not break the lines typed.
    machine.type("stty columns 250")
    machine.expect(r"demo@\S+:~\$ $")
    memory = machine.command("busybox free -m").split()[8]
    kib = int(machine.command("df -k --output=size / | tail -1"))
    print(f"{'':33}root of {kib >> 10} MiB, {memory} MiB of memory used")
    failed = machine.command("systemctl --failed --no-legend --plain --no-pager | cat")
    if failed:
        raise Failed(f"units failed in the guest:\n{failed}")
    for line in machine.options.run:
        print(machine.command(line), flush=True)
    pressed = machine.elapsed()
    machine.power_button()
    came(f"orderly shutdown, {machine.elapsed() - pressed:.1f} s after the power button")
    machine.process.wait(machine.options.bound)


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        machine = Machine(options, Path(scratch))
        try:
            check(machine)
        except (Failed, OSError) as error:
            machine.read_serial()
            sys.exit(f"check: {options.image.name}: {error}; the serial line ends with:\n{machine.seen[-1500:]}")
        finally:
            if machine.process.poll() is None:
                machine.process.kill()
                machine.process.wait()


if __name__ == "__main__":
    main()
