/* What a process does to the files of one folder, in the order it does it, as a log.
 *
 * Loaded before libc (LD_PRELOAD). Every call that changes a file below $POWER_FOLDER, and every promise made on standard
 * output, becomes a record of $POWER_LOG; a lock makes the order of the log the order in which things happened. Nothing is
 * ever synced for real: what a sync is worth is decided by whoever reads the log and cuts the power somewhere in it.
 *
 * A record: op 1 | inode 8 | offset or length 8 | length of what follows 4 | what follows. Little-endian.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, SAY, MKDIR, SYNC_ALL };
enum { FILES_MAX = 4096 };

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char folder[PATH_MAX];
static size_t folder_length;
static unsigned char ours[FILES_MAX];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    const char *log = getenv("POWER_LOG"), *below = getenv("POWER_FOLDER");
    if (!log || !below || !realpath(below, folder))
        return;
    folder_length = strlen(folder);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(uint8_t op, uint64_t inode, uint64_t number, const void *data, size_t length)
{
    unsigned char head[21];
    uint32_t small = (uint32_t)length;
    head[0] = op;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &number, 8);
    memcpy(head + 17, &small, 4);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)data, length}};
    if (syscall(SYS_writev, log_fd, parts, 2) != (long)(sizeof head + length))
        abort();
}

/* The name below the folder, or NULL when it is none of ours. */
static const char *below(const char *path)
{
    if (log_fd < 0 || !path || strncmp(path, folder, folder_length) != 0 || path[folder_length] != '/')
        return NULL;
    return path + folder_length + 1;
}

static int is_ours(int fd) { return log_fd >= 0 && fd >= 0 && fd < FILES_MAX && ours[fd]; }

static uint64_t inode_of(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 ? (uint64_t)about.st_ino : 0;
}

static int opened(int dir, const char *path, int flags, mode_t mode)
{
    const char *name = below(path);
    if (!name)
        return (int)syscall(SYS_openat, dir, path, flags, mode);
    pthread_mutex_lock(&door);
    struct stat before;
    int was_there = stat(path, &before) == 0;
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    int kept = errno;
    if (fd >= 0 && fd < FILES_MAX) {
        ours[fd] = 1;
        if (!was_there)
            note(CREATE, inode_of(fd), 0, name, strlen(name));
        else if (flags & O_TRUNC)
            note(TRUNCATE, inode_of(fd), 0, NULL, 0);
    }
    errno = kept;
    pthread_mutex_unlock(&door);
    return fd;
}

static mode_t mode_in(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPEN(name, ...)                                       \
    {                                                         \
        va_list more;                                         \
        va_start(more, flags);                                \
        mode_t mode = mode_in(flags, more);                   \
        va_end(more);                                         \
        return opened(__VA_ARGS__, path, flags, mode);        \
    }
int open(const char *path, int flags, ...) OPEN(open, AT_FDCWD)
int open64(const char *path, int flags, ...) OPEN(open64, AT_FDCWD)
int openat(int dir, const char *path, int flags, ...) OPEN(openat, dir)
int openat64(int dir, const char *path, int flags, ...) OPEN(openat64, dir)

int close(int fd)
{
    if (fd >= 0 && fd < FILES_MAX)
        ours[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

static ssize_t written(int fd, const void *data, size_t length, off_t at, int here)
{
    pthread_mutex_lock(&door);
    if (here) {
        at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
        struct stat about;
        if (fcntl(fd, F_GETFL) & O_APPEND && fstat(fd, &about) == 0)
            at = about.st_size;
    }
    ssize_t done = here ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, at);
    int kept = errno;
    if (done > 0)
        note(WRITE, inode_of(fd), (uint64_t)at, data, (size_t)done);
    errno = kept;
    pthread_mutex_unlock(&door);
    return done;
}

ssize_t write(int fd, const void *data, size_t length)
{
    if (is_ours(fd))
        return written(fd, data, length, 0, 1);
    if (fd == 1 && log_fd >= 0) {
        pthread_mutex_lock(&door);
        note(SAY, 0, 0, data, length);
        pthread_mutex_unlock(&door);
    }
    return syscall(SYS_write, fd, data, length);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at)
{
    return is_ours(fd) ? written(fd, data, length, at, 0) : syscall(SYS_pwrite64, fd, data, length, at);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { return pwrite(fd, data, length, at); }

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!is_ours(fd))
        return syscall(SYS_writev, fd, parts, count);
    /* A short write is a right answer, and the caller goes on from there. */
    return count > 0 ? written(fd, parts[0].iov_base, parts[0].iov_len, 0, 1) : 0;
}

int ftruncate(int fd, off_t length)
{
    if (!is_ours(fd))
        return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&door);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (done == 0)
        note(TRUNCATE, inode_of(fd), (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&door);
    return done;
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

static int synced(int fd, uint8_t op)
{
    if (is_ours(fd)) {
        pthread_mutex_lock(&door);
        note(op, inode_of(fd), 0, NULL, 0);
        pthread_mutex_unlock(&door);
    }
    return 0;
}

int fsync(int fd) { return synced(fd, SYNC); }
int fdatasync(int fd) { return synced(fd, SYNC); }
int syncfs(int fd) { return synced(fd, SYNC_ALL); }

/* It promises nothing: neither the length of a file nor what a drive keeps in its own memory. */
int sync_file_range(int fd, off64_t at, off64_t length, unsigned int flags)
{
    (void)fd, (void)at, (void)length, (void)flags;
    return 0;
}

int rename(const char *from, const char *to)
{
    const char *old = below(from), *new = below(to);
    if (!old || !new)
        return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&door);
    int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    int kept = errno;
    if (done == 0) {
        char both[2 * PATH_MAX];
        int length = snprintf(both, sizeof both, "%s%c%s", old, 0, new);
        note(RENAME, 0, 0, both, (size_t)length);
    }
    errno = kept;
    pthread_mutex_unlock(&door);
    return done;
}

static int named(const char *path, uint8_t op, long call, mode_t mode)
{
    const char *name = below(path);
    pthread_mutex_lock(&door);
    int done = call == SYS_mkdirat ? (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode)
                                   : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int kept = errno;
    if (done == 0 && name)
        note(op, 0, 0, name, strlen(name));
    errno = kept;
    pthread_mutex_unlock(&door);
    return done;
}

int unlink(const char *path) { return named(path, UNLINK, SYS_unlinkat, 0); }
int mkdir(const char *path, mode_t mode) { return named(path, MKDIR, SYS_mkdirat, mode); }
