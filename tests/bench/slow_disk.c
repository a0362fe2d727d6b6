/* A library to be preloaded: every fsync and fdatasync takes SLOW_DISK_MICROSECONDS longer, as on another disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int slowly(const char *name, int descriptor)
{
    const char *extra = getenv("SLOW_DISK_MICROSECONDS");
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (extra)
        usleep((useconds_t)strtoul(extra, NULL, 10));
    return real(descriptor);
}

int fdatasync(int descriptor)
{
    return slowly("fdatasync", descriptor);
}

int fsync(int descriptor)
{
    return slowly("fsync", descriptor);
}
