//! System calls that are answered with "not implemented": programs then do what they do on a kernel without them.
//!
//! A deny-list below an allow-list of places: what is here are the ways to the kernel's rarely used sides, to other processes, and around
//! the network's absence. At `partial` there is no network namespace, so no socket can be made but a connected pair.

use std::collections::BTreeMap;
use std::io;

use nix::libc;
use proto::report::SandboxLevel;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

/// Denied always. io_uring makes calls that no filter sees; keys and `perf` aren't divided by namespaces; `clone3` hides its flags in
/// memory, and C libraries fall back to `clone`.
const DENIED: &[libc::c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_userfaultfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_clone3,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];

/// Denied where there is no network namespace: nothing that a pair could be turned into.
const NO_SOCKETS: &[libc::c_long] =
    &[libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4];

/// Denied where there is no IPC namespace, and in a fetch, which needs none of it: memory, semaphores and queues of others, to which nothing
/// but the user's id is asked, and for which Landlock has no rule.
const IPC: &[libc::c_long] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmdt,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
];

/// Calls with the argument that names another process; 0 is the caller.
const OTHERS: &[(libc::c_long, u8)] = &[
    (libc::SYS_prlimit64, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
];
/// Calls whose first argument may mean all processes of a user, with the value that does.
const OF_USER: &[(libc::c_long, u64)] = &[(libc::SYS_setpriority, 2), (libc::SYS_ioprio_set, 3)];

/// Flags of `clone` that make namespaces.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Families of sockets in a network namespace of its own. Others reach the kernel or, as vsock does, the host.
const FAMILIES: &[libc::c_int] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Those with the network: no Unix sockets, since abstract ones of others are in the same namespace.
const FETCH_FAMILIES: &[libc::c_int] = &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The bits of a socket's type without its flags.
const TYPE: u64 = 0xf;
/// System call numbers from here on are those of x32, which would pass every comparison.
const X32: u32 = 0x4000_0000;

fn wrong<E: std::fmt::Display>(error: E) -> io::Error {
    io::Error::other(format!("seccomp: {error}"))
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(wrong)
}

fn any_of(conditions: Vec<SeccompCondition>) -> io::Result<SeccompRule> {
    SeccompRule::new(conditions).map_err(wrong)
}

/// The filter of a level.
pub(super) fn filter(level: SandboxLevel, network: bool) -> io::Result<BpfProgram> {
    let number = |value: libc::c_int| u64::from(value.unsigned_abs());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let mut clone = Vec::new();
    for &flag in NAMESPACES {
        clone.push(any_of(vec![condition(0, SeccompCmpOp::MaskedEq(number(flag)), number(flag))?])?);
    }
    rules.insert(libc::SYS_clone, clone);
    // Typing into the terminal of whoever started us.
    let tty = |request: libc::c_ulong| any_of(vec![condition(1, SeccompCmpOp::Eq, request)?]);
    rules.insert(libc::SYS_ioctl, vec![tty(libc::TIOCSTI)?, tty(libc::TIOCLINUX)?]);
    let families = match (level, network) {
        (_, true) => FETCH_FAMILIES,
        (SandboxLevel::Full, false) => FAMILIES,
        (_, false) => &[],
    };
    // Limits, priorities and processors of other processes of the user, for which there is nothing but the user's id to ask for.
    for (call, argument) in OTHERS {
        rules.insert(*call, vec![any_of(vec![condition(*argument, SeccompCmpOp::Ne, 0)?])?]);
    }
    for (call, user) in OF_USER {
        rules.entry(*call).or_default().push(any_of(vec![condition(0, SeccompCmpOp::Eq, *user)?])?);
    }
    if level != SandboxLevel::Full {
        // Programs name their own threads too, so it is refused only where others can be named.
        let other = any_of(vec![condition(0, SeccompCmpOp::Ne, 0)?])?;
        rules.insert(libc::SYS_sched_setaffinity, vec![other]);
    }
    if level != SandboxLevel::Full || network {
        rules.extend(IPC.iter().map(|&call| (call, Vec::new())));
    }
    let mut socket = Vec::new();
    if !families.is_empty() {
        // None of these; and of netlink only what lists addresses, of the others nothing raw.
        let none: io::Result<Vec<_>> =
            families.iter().map(|&family| condition(0, SeccompCmpOp::Ne, number(family))).collect();
        socket.push(any_of(none?)?);
        let netlink = condition(0, SeccompCmpOp::Eq, number(libc::AF_NETLINK))?;
        socket.push(any_of(vec![netlink, condition(2, SeccompCmpOp::Ne, number(libc::NETLINK_ROUTE))?])?);
        for family in [libc::AF_INET, libc::AF_INET6] {
            let raw = condition(1, SeccompCmpOp::MaskedEq(TYPE), number(libc::SOCK_RAW))?;
            socket.push(any_of(vec![condition(0, SeccompCmpOp::Eq, number(family))?, raw])?);
        }
    }
    rules.insert(libc::SYS_socket, socket);
    if families.is_empty() {
        rules.extend(NO_SOCKETS.iter().map(|&call| (call, Vec::new())));
    }
    if families.is_empty() || network {
        // A pair of datagrams can be pointed at any socket that has a name; the other kinds are connected for good.
        // A raw one is a datagram to the kernel.
        let mut pair = vec![any_of(vec![condition(0, SeccompCmpOp::Ne, number(libc::AF_UNIX))?])?];
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
            pair.push(any_of(vec![condition(1, SeccompCmpOp::MaskedEq(TYPE), number(kind))?])?);
        }
        rules.insert(libc::SYS_socketpair, pair);
    }
    let denied = SeccompAction::Errno(u32::try_from(libc::ENOSYS).unwrap_or(1));
    let arch = std::env::consts::ARCH.try_into().map_err(wrong)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch).map_err(wrong)?;
    let program: BpfProgram = filter.try_into().map_err(wrong)?;
    Ok(if cfg!(target_arch = "x86_64") { [x32_guard().as_slice(), &program].concat() } else { program })
}

/// Denies every number of x32. Load the number; if it is at least X32, answer ENOSYS; else go on.
fn x32_guard() -> [sock_filter; 3] {
    let errno = u32::try_from(libc::ENOSYS).unwrap_or(1);
    [
        sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
        sock_filter { code: 0x35, jt: 0, jf: 1, k: X32 },
        sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | errno },
    ]
}

/// As the kernel and bubblewrap read it.
pub(super) fn bytes(program: &BpfProgram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for step in program {
        bytes.extend_from_slice(&step.code.to_ne_bytes());
        bytes.extend_from_slice(&[step.jt, step.jf]);
        bytes.extend_from_slice(&step.k.to_ne_bytes());
    }
    bytes
}

/// Restricts this thread for ever; it can't gain rights by `exec` any more.
pub(super) fn apply(program: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(program).map_err(wrong)
}
