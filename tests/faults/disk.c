/* Stands between a server and its disk when it is preloaded.

   FSYNC_LOG names a file in which it notes how much of each file was on disk: the size that it had when an fsync or
   fdatasync of it began, once that has returned. FULL_DISK names a file that, while it is there, makes the disk full:
   of a write to an append-only file or to a write-ahead log at most a part arrives. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int name_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0;
}

static int note(int fd, const char *name) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    struct stat before;
    char path[4096], line[4200];
    int known = fstat(fd, &before) == 0;
    int result = real(fd);
    const char *log = getenv("FSYNC_LOG");
    if (result == 0 && known && log && name_of(fd, path, sizeof path)) {
        int out = open(log, O_WRONLY | O_APPEND | O_CREAT, 0644);
        if (out >= 0) {
            ssize_t (*put)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
            int size = snprintf(line, sizeof line, "%lld %s\n", (long long)before.st_size, path);
            if (put(out, line, size) < 0) { /* nothing to be done */ }
            close(out);
        }
    }
    return result;
}

static int full(int fd) {
    const char *flag = getenv("FULL_DISK");
    char path[4096];
    if (!flag || access(flag, F_OK) != 0 || !name_of(fd, path, sizeof path)) return 0;
    return strstr(path, ".aof") || strstr(path, "/pg_wal/");
}

int fsync(int fd) { return note(fd, "fsync"); }
int fdatasync(int fd) { return note(fd, "fdatasync"); }

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (!full(fd)) return real(fd, data, size);
    if (size > 1) return real(fd, data, size / 2);
    errno = ENOSPC;
    return -1;
}

static ssize_t place(int fd, const void *data, size_t size, off_t at, const char *name) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, name);
    if (!full(fd)) return real(fd, data, size, at);
    errno = ENOSPC;
    return -1;
}

static ssize_t places(int fd, const struct iovec *parts, int count, off_t at, const char *name) {
    ssize_t (*real)(int, const struct iovec *, int, off_t) = dlsym(RTLD_NEXT, name);
    if (!full(fd)) return real(fd, parts, count, at);
    errno = ENOSPC;
    return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return place(fd, data, size, at, "pwrite"); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return place(fd, data, size, at, "pwrite64"); }
ssize_t pwritev(int fd, const struct iovec *p, int n, off_t at) { return places(fd, p, n, at, "pwritev"); }
ssize_t pwritev64(int fd, const struct iovec *p, int n, off_t at) { return places(fd, p, n, at, "pwritev64"); }
