/* A library to be preloaded, that lets single calls to a disk fail, counted over all processes that have it.
 *
 * DISK_FILES    ends of the paths of the files that it is about, with colons between them
 * DISK_TURNS    file of three numbers of eight bytes: calls so far, the first one that fails, the last one that fails
 *
 * What writes fails with ENOSPC, what has the disk take it fails with EIO; nothing is written or taken then.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static struct { int64_t calls, first, last; } *turns;

__attribute__((constructor)) static void map(void)
{
    const char *path = getenv("DISK_TURNS");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = MAP_FAILED;
    if (descriptor >= 0) {
        mapped = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        close(descriptor);
    }
    turns = mapped == MAP_FAILED ? NULL : mapped;
}

static int concerned(int descriptor)
{
    char link[64], path[4096], ends[1024], *end, *rest = ends;
    const char *files = getenv("DISK_FILES");
    ssize_t length;
    if (!turns || !files || strlen(files) >= sizeof ends)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    strcpy(ends, files);
    while ((end = strsep(&rest, ":")))
        if (length >= (ssize_t)strlen(end) && !strcmp(path + length - strlen(end), end))
            return 1;
    return 0;
}

static int fails(int descriptor, int error)
{
    int64_t call;
    if (!concerned(descriptor))
        return 0;
    call = __atomic_add_fetch(&turns->calls, 1, __ATOMIC_SEQ_CST);
    if (call < turns->first || call > turns->last)
        return 0;
    errno = error;
    return 1;
}

#define REAL(name, result, ...) ((result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int fdatasync(int descriptor)
{
    return fails(descriptor, EIO) ? -1 : REAL("fdatasync", int, int)(descriptor);
}

int fsync(int descriptor)
{
    return fails(descriptor, EIO) ? -1 : REAL("fsync", int, int)(descriptor);
}

ssize_t write(int descriptor, const void *content, size_t count)
{
    return fails(descriptor, ENOSPC) ? -1
                                     : REAL("write", ssize_t, int, const void *, size_t)(descriptor, content, count);
}

ssize_t pwrite64(int descriptor, const void *content, size_t count, off64_t offset)
{
    return fails(descriptor, ENOSPC)
               ? -1
               : REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t)(descriptor, content, count, offset);
}

ssize_t pwrite(int descriptor, const void *content, size_t count, off_t offset)
{
    return pwrite64(descriptor, content, count, offset);
}

int ftruncate64(int descriptor, off64_t length)
{
    return fails(descriptor, ENOSPC) ? -1 : REAL("ftruncate64", int, int, off64_t)(descriptor, length);
}

int ftruncate(int descriptor, off_t length)
{
    return ftruncate64(descriptor, length);
}
