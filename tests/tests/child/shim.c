/* What a process writes, and a disk that refuses.
 *
 * Loaded before libc (LD_PRELOAD). Every octet written to a file that was opened for writing is also put at the end of a file
 * in $SHIM_MIRROR, one for each inode, and the name it was opened by into $SHIM_MIRROR/names: what was overwritten, cut off
 * or deleted since is still there to be looked at. While $SHIM_FAULT exists, whatever would change something below
 * $SHIM_FOLDER fails with the errno that stands in it. Both are for the program's threads and for the programs it starts.
 */
#define _GNU_SOURCE
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

enum { FILES_MAX = 65536, OURS = 1, FAULTY = 2 };

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static const char *mirror, *fault;
static char folder[PATH_MAX];
static size_t folder_length;
static unsigned char known[FILES_MAX];

__attribute__((constructor)) static void begin(void)
{
    const char *below = getenv("SHIM_FOLDER");
    mirror = getenv("SHIM_MIRROR");
    fault = getenv("SHIM_FAULT");
    if (fault && below && realpath(below, folder))
        folder_length = strlen(folder);
}

/* The errno in force, or 0. */
static int refused(void)
{
    char text[16];
    if (!folder_length)
        return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, fault, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    long length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    text[length > 0 ? length : 0] = 0;
    return atoi(text);
}

static int is_below(const char *path)
{
    return folder_length && path && strncmp(path, folder, folder_length) == 0 && path[folder_length] == '/';
}

static int fails(int of_it)
{
    int why = of_it ? refused() : 0;
    if (why)
        errno = why;
    return why != 0;
}

static int is(int fd, int what) { return fd >= 0 && fd < FILES_MAX && known[fd] & what; }

static void keep(const char *name, const void *data, size_t length)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", mirror, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_write, fd, data, length) != (long)length)
        abort();
    syscall(SYS_close, fd);
}

static void note(int fd, const void *data, size_t length)
{
    struct stat about;
    char name[32];
    if (!mirror || !is(fd, OURS) || syscall(SYS_fstat, fd, &about) != 0)
        return;
    snprintf(name, sizeof name, "%llu", (unsigned long long)about.st_ino);
    pthread_mutex_lock(&door);
    keep(name, data, length);
    pthread_mutex_unlock(&door);
}

static int opened(int dir, const char *path, int flags, mode_t mode)
{
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if (writes && fails(is_below(path)))
        return -1;
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    int kept = errno;
    if (fd >= 0 && fd < FILES_MAX) {
        struct stat about;
        int regular = syscall(SYS_fstat, fd, &about) == 0 && S_ISREG(about.st_mode);
        known[fd] = (unsigned char)((writes && regular ? OURS : 0) | (is_below(path) ? FAULTY : 0));
        if (mirror && writes && regular) {
            char line[PATH_MAX + 32];
            int length = snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)about.st_ino, path);
            pthread_mutex_lock(&door);
            keep("names", line, (size_t)length);
            pthread_mutex_unlock(&door);
        }
    }
    errno = kept;
    return fd;
}

#define OPEN(name, ...)                                                            \
    {                                                                              \
        va_list more;                                                              \
        va_start(more, flags);                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;    \
        va_end(more);                                                              \
        return opened(__VA_ARGS__, path, flags, mode);                             \
    }
int open(const char *path, int flags, ...) OPEN(open, AT_FDCWD)
int open64(const char *path, int flags, ...) OPEN(open64, AT_FDCWD)
int openat(int dir, const char *path, int flags, ...) OPEN(openat, dir)
int openat64(int dir, const char *path, int flags, ...) OPEN(openat64, dir)

int close(int fd)
{
    if (fd >= 0 && fd < FILES_MAX)
        known[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *data, size_t length)
{
    if (fails(is(fd, FAULTY)))
        return -1;
    ssize_t done = syscall(SYS_write, fd, data, length);
    if (done > 0)
        note(fd, data, (size_t)done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at)
{
    if (fails(is(fd, FAULTY)))
        return -1;
    ssize_t done = syscall(SYS_pwrite64, fd, data, length, at);
    if (done > 0)
        note(fd, data, (size_t)done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { return pwrite(fd, data, length, at); }

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!is(fd, OURS | FAULTY))
        return syscall(SYS_writev, fd, parts, count);
    /* A short write is a right answer, and the caller goes on from there. */
    return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
}

int ftruncate(int fd, off_t length) { return fails(is(fd, FAULTY)) ? -1 : (int)syscall(SYS_ftruncate, fd, length); }
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }
int fsync(int fd) { return fails(is(fd, FAULTY)) ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails(is(fd, FAULTY)) ? -1 : (int)syscall(SYS_fdatasync, fd); }
int syncfs(int fd) { return fails(is(fd, FAULTY)) ? -1 : (int)syscall(SYS_syncfs, fd); }

int rename(const char *from, const char *to)
{
    return fails(is_below(to)) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int unlink(const char *path) { return fails(is_below(path)) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }
int mkdir(const char *path, mode_t mode)
{
    return fails(is_below(path)) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
