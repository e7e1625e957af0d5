"""Attempts to get out of a check. Each prints `ATTEMPT name open|shut why`. `open` means that it got through.

Reads `targets.json` beside it, or what its first argument is. Python's standard library only; nothing here does harm where it gets
through: values are written back as they were, signals are harmless ones.
"""

import ctypes
import errno
import json
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import time

T = json.loads(sys.argv[1]) if len(sys.argv) > 1 else json.load(open("targets.json"))
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
ARM = platform.machine() == "aarch64"

#        name: (x86_64, aarch64)
CALLS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "io_uring_setup": (425, 425), "keyctl": (250, 219),
    "add_key": (248, 217), "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "chroot": (161, 51), "clone3": (435, 435),
    "open_by_handle_at": (304, 265), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "syslog": (103, 116),
    "fsopen": (430, 430), "open_tree": (428, 428), "kcmp": (312, 272), "prlimit64": (302, 261), "mq_open": (240, 180),
    "process_madvise": (440, 440), "setpriority": (141, 140), "sched_setaffinity": (203, 122), "fanotify_init": (300, 262),
    "capset": (126, 91), "personality": (135, 92), "mq_unlink": (241, 181), "ioprio_set": (251, 30),
}


def call(name, *args):
    """A raw system call; raises OSError if the kernel refuses it."""
    number = CALLS[name][1 if ARM else 0]
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


ATTEMPTS = []


def attempt(function):
    ATTEMPTS.append(function)
    return function


def writes(path, text="evil"):
    with open(path, "a") as file:
        file.write(text)
    return path


def reads(path):
    with open(path, "rb") as file:
        return len(file.read(4096)) >= 0 and "read"


# --- writing where nothing may be written ---


@attempt
def write_outside():
    return writes(T["outside"] + "/evil.txt")


@attempt
def overwrite_outside():
    return writes(T["outside"] + "/target.txt")


@attempt
def truncate_outside():
    os.truncate(T["outside"] + "/target.txt", 0)
    return True


@attempt
def delete_outside():
    os.remove(T["outside"] + "/spare.txt")
    return True


@attempt
def write_through_dotdot():
    return writes("../outside/evil-dotdot.txt")


@attempt
def write_through_proc_cwd():
    return writes("/proc/self/cwd/../outside/evil-cwd.txt")


@attempt
def write_through_symlink():
    if not os.path.islink("lane"):
        os.symlink(T["outside"], "lane")
    return writes("lane/evil-lane.txt")


@attempt
def hard_link_in():
    os.link(T["outside"] + "/target.txt", "linked-in.txt")
    return writes("linked-in.txt")


@attempt
def rename_out():
    open("moving.txt", "w").close()
    os.rename("moving.txt", T["outside"] + "/moved.txt")
    return True


@attempt
def rename_in():
    os.rename(T["outside"] + "/spare.txt", "stolen.txt")
    return True


@attempt
def rename_work_dir():
    os.rename(T["work"], T["work"] + "-evil")
    os.rename(T["work"] + "-evil", T["work"])
    return True


@attempt
def write_home():
    # Below /tmp it is a place in memory of our own: what counts is what the test sees of it.
    return writes(T["home"] + "/.profile-evil") and T["level"] == "partial"


@attempt
def write_git_hook():
    return writes(".git/hooks/post-checkout")


@attempt
def write_git_config():
    return writes(".git/config", "")


@attempt
def replace_git():
    os.rename(".git", ".git-evil")
    os.rename(".git-evil", ".git")
    return True


@attempt
def write_cargo_registry():
    return writes(T["home"] + "/.cargo/registry/evil")


@attempt
def write_go_cache():
    return writes(T["gocache"] + "/evil")


@attempt
def write_other_projects_cache():
    return writes(T["other_cache"] + "/evil")


@attempt
def write_toolchain():
    return writes(T["tools"] + "/bin/tool")


@attempt
def write_usr_local():
    path = writes("/usr/local/et-evil")
    os.remove(path)
    return True


@attempt
def write_passwd():
    return writes("/etc/passwd", "")


@attempt
def write_core_pattern():
    with open("/proc/sys/kernel/core_pattern") as file:
        was = file.read()
    with open("/proc/sys/kernel/core_pattern", "w") as file:
        file.write(was)
    return True


@attempt
def open_sysrq():
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    return True


@attempt
def write_shm():
    path = "/dev/shm/" + T["token"]
    return "host" if os.path.exists(writes(path)) and T["level"] == "partial" else None


@attempt
def write_tmp():
    return "host" if os.path.exists(writes("/tmp/" + T["token"])) and T["level"] == "partial" else None


@attempt
def chmod_outside():
    os.chmod(T["outside"] + "/target.txt", 0o640)
    return True


@attempt
def touch_outside():
    os.utime(T["outside"] + "/target.txt")
    return True


@attempt
def xattr_outside():
    os.setxattr(T["outside"] + "/target.txt", "user.evil", b"1")
    return True


@attempt
def huge_file():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("huge", "wb") as file:
        try:
            file.truncate(5 << 30)
        finally:
            os.remove("huge")
    return True


# --- reading secrets ---


@attempt
def read_ssh_key():
    return reads(T["home"] + "/.ssh/id_ed25519")


@attempt
def list_ssh():
    return os.listdir(T["home"] + "/.ssh")


@attempt
def read_netrc():
    return reads(T["home"] + "/.netrc")


@attempt
def read_npmrc():
    return reads(T["home"] + "/.npmrc")


@attempt
def read_cargo_credentials():
    return reads(T["home"] + "/.cargo/credentials.toml")


@attempt
def read_aws():
    return reads(T["home"] + "/.aws/credentials")


@attempt
def read_user_config():
    return reads(T["home"] + "/.config/electrictown/electrictown.yaml")


@attempt
def read_git_credentials():
    return reads(T["home"] + "/.git-credentials")


@attempt
def read_state():
    return reads(T["state"] + "/etd.lock")


@attempt
def list_state():
    names = [name for name in os.listdir(T["state"]) if name != "sandbox"]
    return names or None


@attempt
def read_logs():
    return os.listdir(T["logs"])


@attempt
def read_outside():
    return reads(T["outside"] + "/target.txt")


@attempt
def read_through_planted_link():
    return reads("planted-link")


@attempt
def stat_secret():
    return os.stat(T["home"] + "/.ssh/id_ed25519").st_size


@attempt
def read_shadow():
    return reads("/etc/shadow")


@attempt
def read_key_from_environment():
    return T["key_variable"] in os.environ and "set"


@attempt
def read_daemon_environ():
    return reads(f"/proc/{T['daemon']}/environ")


@attempt
def read_sibling_environ():
    return reads(f"/proc/{T['sibling']}/environ")


@attempt
def read_sibling_cmdline():
    return "600.0515" in open(f"/proc/{T['sibling']}/cmdline").read()


@attempt
def read_parents_environ():
    found = open(f"/proc/{os.getppid()}/status").read()
    if T["level"] != "partial":
        return None if os.getppid() in (0, 1, 2) else found
    return reads(f"/proc/{os.getppid()}/mem")


@attempt
def read_daemon_memory():
    return open(f"/proc/{T['daemon']}/maps").read(100)


@attempt
def list_daemon_descriptors():
    return os.readlink(f"/proc/{T['daemon']}/fd/{os.listdir('/proc/%d/fd' % T['daemon'])[0]}")


@attempt
def through_daemons_root():
    return os.listdir(f"/proc/{T['daemon']}/root/")


@attempt
def through_siblings_cwd():
    return os.listdir(f"/proc/{T['sibling']}/cwd/")


@attempt
def through_init_root():
    return reads(f"/proc/1/root{T['home']}/.netrc")


@attempt
def inherited_descriptors():
    own = os.open("/proc/self/fd", os.O_RDONLY)
    kinds = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and int(fd) != own]
    os.close(own)
    return [kind for kind in kinds if "targets.json" not in kind and "/proc/" not in kind] or None


@attempt
def open_by_handle():
    call("open_by_handle_at", -100, ctypes.create_string_buffer(128), 0)
    return True


# --- the network ---


def connects(address, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        one.connect(address)
        one.send(b"evil")
    return "sent"


@attempt
def tcp_loopback():
    return connects(("127.0.0.1", T["tcp"]))


@attempt
def tcp6_loopback():
    return connects(("::1", T["tcp6"]), socket.AF_INET6)


@attempt
def tcp_hosts_address():
    return connects((T["address"], T["tcp"]))


@attempt
def udp_loopback():
    return connects(("127.0.0.1", T["udp"]), kind=socket.SOCK_DGRAM) if T["level"] == "partial" else None


@attempt
def udp_outwards():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return one.sendto(b"evil", ("192.0.2.1", 53))


@attempt
def dns():
    return socket.getaddrinfo("localhost.example.com", 80)


@attempt
def metadata_service():
    return connects(("169.254.169.254", 80))


@attempt
def raw_socket():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return True


@attempt
def packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    return True


@attempt
def netlink_routes():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    return [name for _, name in socket.if_nameindex() if name != "lo"] or None


@attempt
def netlink_other():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close()
    return True


@attempt
def vsock():
    socket.socket(40, socket.SOCK_STREAM).close()
    return True


@attempt
def kernel_crypto_socket():
    socket.socket(38, socket.SOCK_SEQPACKET).close()
    return True


@attempt
def unix_daemon():
    return connects(T["socket"], socket.AF_UNIX)


@attempt
def unix_path():
    return connects(T["outside"] + "/unix.sock", socket.AF_UNIX)


@attempt
def unix_abstract():
    return connects("\0" + T["abstract"], socket.AF_UNIX)


@attempt
def unix_datagram_pair():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        return one.sendto(b"evil", T["outside"] + "/datagram.sock")


@attempt
def unix_raw_pair():
    # To the kernel it is a pair of datagrams.
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)
    with one, other:
        return one.sendto(b"evil", T["outside"] + "/datagram.sock")


@attempt
def unix_stream_pair_redirected():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with one, other:
        one.connect("\0" + T["abstract"])
        return True


@attempt
def io_uring():
    os.close(call("io_uring_setup", 4, ctypes.create_string_buffer(256)))
    return True


# --- other processes ---


@attempt
def ptrace_daemon():
    call("ptrace", 0x4206, T["daemon"], 0, 0)
    call("ptrace", 17, T["daemon"], 0, 0)
    return True


@attempt
def ptrace_sibling():
    call("ptrace", 0x4206, T["sibling"], 0, 0)
    call("ptrace", 17, T["sibling"], 0, 0)
    return True


@attempt
def read_process_memory():
    buffer = ctypes.create_string_buffer(8)
    vector = struct.pack("QQ", ctypes.addressof(buffer), 8)
    call("process_vm_readv", T["sibling"], vector, 1, struct.pack("QQ", 0x400000, 8), 1, 0)
    return True


@attempt
def signal_daemon():
    os.kill(T["daemon"], signal.SIGWINCH)
    return True


@attempt
def signal_sibling():
    os.kill(T["sibling"], signal.SIGWINCH)
    return True


@attempt
def signal_helper():
    # At full it isn't in our process namespace.
    pid = os.getppid()
    while pid > 1 and b"confine" not in open(f"/proc/{pid}/cmdline", "rb").read():
        pid = int(open(f"/proc/{pid}/stat").read().rsplit(")")[1].split()[1])
    if pid <= 1:
        return None
    os.kill(pid, signal.SIGUSR1)
    return True


@attempt
def signal_all():
    os.kill(-1, signal.SIGWINCH)
    return T["level"] == "partial" and None


@attempt
def take_descriptor():
    descriptor = call("pidfd_open", T["sibling"], 0)
    call("pidfd_getfd", descriptor, 0, 0)
    return True


@attempt
def limit_sibling():
    call("prlimit64", T["sibling"], 4, struct.pack("QQ", 0, 0xFFFFFFFF), 0)
    return True


@attempt
def renice_sibling():
    call("setpriority", 0, T["sibling"], 1)
    return True


@attempt
def pin_sibling():
    call("sched_setaffinity", T["sibling"], 8, struct.pack("Q", 1))
    return True


@attempt
def slow_down_all_of_the_user():
    # A class that there isn't: refused by the kernel before anything is changed, but not by the filter.
    try:
        call("ioprio_set", 3, 0, 7 << 13)
    except OSError as error:
        return error.errno != errno.ENOSYS and str(error)
    return True


@attempt
def compare_processes():
    call("kcmp", os.getpid(), T["sibling"], 0, 0, 0)
    return True


# --- the kernel's other sides ---


@attempt
def make_device():
    import stat
    os.mknod("evil-null", stat.S_IFCHR | 0o600, os.makedev(1, 1))
    return True


@attempt
def make_block_device():
    import stat
    os.mknod("evil-disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))
    return True


@attempt
def open_kernel_devices():
    found = []
    for device in ("/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/kvm", "/dev/sda", "/dev/vda", "/dev/net/tun", "/dev/loop-control"):
        try:
            os.close(os.open(device, os.O_RDWR))
            found.append(device)
        except OSError:
            pass
    return found or None


@attempt
def mount_memory():
    os.makedirs("mnt", exist_ok=True)
    call("mount", b"none", os.path.abspath("mnt").encode(), b"tmpfs", 0, 0)
    return True


@attempt
def mount_anew():
    os.close(call("fsopen", b"tmpfs", 0))
    return True


@attempt
def copy_mount():
    os.close(call("open_tree", -100, b"/", 1))
    return True


@attempt
def change_root():
    os.makedirs("root", exist_ok=True)
    call("chroot", os.path.abspath("root").encode())
    return True


@attempt
def new_user_namespace():
    pid = os.fork()
    if pid == 0:
        try:
            call("unshare", 0x10000000)
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


@attempt
def new_namespace_by_clone3():
    # The flags are in memory: no filter sees them.
    result = call("clone3", struct.pack("Q", 0x10000000) + b"\0" * 32 + struct.pack("Q", 17)[0:0] + b"\0" * 24, 64)
    if result == 0:
        os._exit(0)
    return True


@attempt
def join_namespace():
    descriptor = os.open(f"/proc/{T['sibling']}/ns/mnt", os.O_RDONLY)
    call("setns", descriptor, 0)
    return True


@attempt
def change_user():
    os.setresuid(65534, 65534, 65534) if os.getuid() == 0 and os.fork() == 0 else os.setuid(0 if os.getuid() else 1)
    return os.getuid() != T["uid"]


@attempt
def gain_by_setuid_programs():
    text = open("/proc/self/status").read()
    return "NoNewPrivs:\t1" not in text


@attempt
def capabilities():
    lines = open("/proc/self/status").read().splitlines()
    return [line for line in lines if line.startswith(("CapEff", "CapPrm", "CapBnd")) and int(line.split()[1], 16)] and (
        T["root"] and "some" or None
    )


@attempt
def read_keyring():
    call("keyctl", 0, -3, 0)
    return True


@attempt
def add_key():
    call("add_key", b"user", b"evil", b"x", 1, -3)
    return True


@attempt
def load_bpf():
    call("bpf", 0, ctypes.create_string_buffer(128), 128)
    return True


@attempt
def userfault():
    os.close(call("userfaultfd", 1))
    return True


@attempt
def perf_events():
    os.close(call("perf_event_open", ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + b"\0" * 96), 0, -1, -1, 0))
    return True


@attempt
def kernel_log():
    return call("syslog", 3, ctypes.create_string_buffer(4096), 4096)


@attempt
def watch_all_files():
    os.close(call("fanotify_init", 0, 0))
    return True


@attempt
def program_from_memory():
    descriptor = os.memfd_create("evil")
    os.write(descriptor, open("/bin/cat", "rb").read())
    run = subprocess.run(
        [f"/proc/self/fd/{descriptor}", T["home"] + "/.netrc"], pass_fds=[descriptor], capture_output=True, text=True
    )
    return run.stdout and "read"


@attempt
def x32_calls():
    if platform.machine() != "x86_64":
        return None
    # getpid of x32: answered, it would be a way around the filter.
    return libc.syscall(ctypes.c_long(0x40000000 + 39)) > 0


@attempt
def type_into_terminal():
    import fcntl
    import termios
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), termios.TIOCSTI, b"x")
    return True


@attempt
def system_v_memory():
    # The test has made one with this key.
    return libc.shmget(ctypes.c_int(T["shm_key"]), ctypes.c_size_t(0), ctypes.c_int(0)) >= 0


@attempt
def system_v_semaphores():
    # Where they are private, making one is no way out.
    made = -1 if T["level"] == "full" else libc.semget(0, 1, 0o600)
    return made >= 0 and libc.semctl(made, 0, 0) == 0


@attempt
def system_v_queue():
    made = -1 if T["level"] == "full" else libc.msgget(0, 0o600)
    return made >= 0 and libc.msgctl(made, 0, None) == 0


@attempt
def posix_queue():
    if T["level"] == "full":
        return None
    name = T["token"].encode()
    os.close(call("mq_open", name, os.O_RDWR | os.O_CREAT, 0o600, 0))
    call("mq_unlink", name)
    return True


@attempt
def survivor():
    """Leaves its session, its parent and its environment; holds a lock as long as it lives. The test asks for the lock."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            import fcntl
            lock = os.open("survivor.lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.set_inheritable(lock, True)
            null = os.open("/dev/null", os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.execve("/bin/sleep", ["sleep", "600"], {})
        os._exit(0)
    for _ in range(1000):
        if os.path.exists("survivor.lock"):
            return None
        time.sleep(0.002)
    return None


def main():
    # A blocked attempt must not block the others.
    own = os.getpid()
    for function in ATTEMPTS:
        if T.get("only") and function.__name__ not in T["only"]:
            continue
        try:
            signal.alarm(10)
            got = function()
            result, why = ("open", str(got)) if got else ("shut", "")
        except BaseException as error:  # whatever happens, the next one is tried
            result, why = "shut", f"{type(error).__name__}: {error}"
        if os.getpid() != own:
            os._exit(0)
        print("ATTEMPT", function.__name__, result, why.replace("\n", " ")[:200], flush=True)


signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("it took too long")))
main()
