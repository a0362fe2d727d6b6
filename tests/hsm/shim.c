/* A PKCS#11 module that forwards to another one and misbehaves on command.
 *
 * SHIM_MODULE   path of the real module
 * SHIM_CONTROL  file of commands, read at each call; one per line:
 *     C_Sign block             never return
 *     C_Sign hold              wait until this command is gone, then go on
 *     C_Sign return 0x30       return this value without calling the real module
 *     C_Sign once 0x30         return this value, and behave again
 *     C_Sign abort             end the process by a signal
 *     C_Sign corrupt           flip one bit of the signature
 *     C_Sign der               return an r||s signature as DER
 *     C_Sign broken 51         CKR_DEVICE_ERROR for data of this many bytes: 51 is what RSA signs, 32 P-256
 *     C_GenerateKeyPair loose  make private keys that are extractable and not sensitive
 *     C_UnwrapKey loose        the same for private keys from outside
 *     C_OpenSession limit 3    CKR_SESSION_COUNT above so many sessions
 *     C_OpenSession readonly 0x6  return this value for sessions that are not read-write
 *     C_GetTokenInfo flags 0x40000   add these flags
 *     C_GetMechanismList hide 0x1    leave this mechanism out
 *     C_Sign stuck 51          never return for data of this many bytes
 * SHIM_LOG      file to which each C_Login appends one byte
 * SHIM_CALLS    file to which each C_Sign appends S, each C_FindObjectsInit F, each C_GenerateKeyPair G, each session
 *               that was opened O and each that was closed C; may be missing
 *
 * Return values and structures are those of PKCS#11 v2.40.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong_t;
typedef struct { unsigned char version[2]; void *entry[68]; } function_list;
typedef struct { ulong_t type; void *value; ulong_t length; } attribute;

enum { INITIALIZE = 0, TOKEN_INFO = 6, MECHANISM_LIST = 7, OPEN_SESSION = 12, CLOSE_SESSION = 13, LOGIN = 18,
       FIND_INIT = 26, SIGN_INIT = 42, SIGN = 43, GENERATE_PAIR = 59, UNWRAP = 61 };
enum { SENSITIVE = 0x103, EXTRACTABLE = 0x162, READ_WRITE = 2 };
enum { OK = 0, GENERAL_ERROR = 5, DEVICE_ERROR = 0x30, SESSION_COUNT = 0xB1 };

static function_list *real, ours;
static long sessions;

/* The argument of "name verb argument" in the control file; 0 where it is not there. */
static int command(const char *name, char verb[16], ulong_t *argument)
{
    char line[128], found[64];
    FILE *control = fopen(getenv("SHIM_CONTROL"), "re");
    int present = 0;
    if (!control)
        return 0;
    while (!present && fgets(line, sizeof line, control)) {
        char number[32] = "0";
        if (sscanf(line, "%63s %15s %31s", found, verb, number) >= 2 && !strcmp(found, name)) {
            *argument = strtoul(number, NULL, 0);
            present = 1;
        }
    }
    fclose(control);
    return present;
}

/* Append one byte to the file that the variable names; 0 where it cannot be written. */
static int note(const char *variable, const char *byte)
{
    const char *path = getenv(variable);
    int log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    int written = log >= 0 && write(log, byte, 1) == 1;
    if (log >= 0)
        close(log);
    return written;
}

/* Do what is commanded before the real call; returns 1 where *result is the answer already. */
static int before(const char *name, ulong_t *result)
{
    char verb[16];
    ulong_t argument;
    if (!command(name, verb, &argument))
        return 0;
    if (!strcmp(verb, "block"))
        for (;;)
            pause();
    while (!strcmp(verb, "hold")) {
        usleep(1000);
        if (!command(name, verb, &argument))
            return 0;
    }
    if (!strcmp(verb, "abort"))
        abort();
    *result = argument;
    return !strcmp(verb, "return") || (!strcmp(verb, "once") && !unlink(getenv("SHIM_CONTROL")));
}

static ulong_t Initialize(void *arguments)
{
    ulong_t result;
    /* CKR_CANT_LOCK is about the arguments: a module that cannot lock takes none. */
    if (before("C_Initialize", &result) && !(result == 0xA && !arguments))
        return result;
    return ((ulong_t (*)(void *))real->entry[INITIALIZE])(arguments);
}

static ulong_t GetTokenInfo(ulong_t slot, unsigned char *info)
{
    char verb[16];
    ulong_t flags, result;
    if (before("C_GetTokenInfo", &result))
        return result;
    result = ((ulong_t (*)(ulong_t, void *))real->entry[TOKEN_INFO])(slot, info);
    if (!result && command("C_GetTokenInfo", verb, &flags) && !strcmp(verb, "flags"))
        *(ulong_t *)(info + 96) |= flags;
    return result;
}

static ulong_t GetMechanismList(ulong_t slot, ulong_t *list, ulong_t *count)
{
    char verb[16];
    ulong_t hidden, kept = 0, all, result;
    result = ((ulong_t (*)(ulong_t, ulong_t *, ulong_t *))real->entry[MECHANISM_LIST])(slot, list, count);
    if (result || !list || !command("C_GetMechanismList", verb, &hidden))
        return result;
    for (all = 0; all < *count; all++)
        if (list[all] != hidden)
            list[kept++] = list[all];
    for (all = kept; all < *count; all++)
        list[all] = list[0];
    return OK;
}

static ulong_t OpenSession(ulong_t slot, ulong_t flags, void *application, void *notify, ulong_t *session)
{
    char verb[16];
    ulong_t limit, result;
    if (before("C_OpenSession", &result))
        return result;
    if (command("C_OpenSession", verb, &limit) && !strcmp(verb, "limit") && sessions >= (long)limit)
        return SESSION_COUNT;
    if (command("C_OpenSession", verb, &limit) && !strcmp(verb, "readonly") && !(flags & READ_WRITE))
        return limit;
    result = ((ulong_t (*)(ulong_t, ulong_t, void *, void *, ulong_t *))real->entry[OPEN_SESSION])(
        slot, flags, application, notify, session);
    if (!result) {
        __sync_fetch_and_add(&sessions, 1);
        note("SHIM_CALLS", "O");
    }
    return result;
}

static ulong_t CloseSession(ulong_t session)
{
    ulong_t result = ((ulong_t (*)(ulong_t))real->entry[CLOSE_SESSION])(session);
    if (!result) {
        __sync_fetch_and_sub(&sessions, 1);
        note("SHIM_CALLS", "C");
    }
    return result;
}

static ulong_t Login(ulong_t session, ulong_t user, void *pin, ulong_t length)
{
    ulong_t result;
    if (!note("SHIM_LOG", "L"))
        return GENERAL_ERROR;
    if (before("C_Login", &result))
        return result;
    return ((ulong_t (*)(ulong_t, ulong_t, void *, ulong_t))real->entry[LOGIN])(session, user, pin, length);
}

static ulong_t FindObjectsInit(ulong_t session, void *template, ulong_t count)
{
    ulong_t result;
    note("SHIM_CALLS", "F");
    if (before("C_FindObjectsInit", &result))
        return result;
    return ((ulong_t (*)(ulong_t, void *, ulong_t))real->entry[FIND_INIT])(session, template, count);
}

/* On command, ask for a private key that is extractable and not sensitive. */
static void loosen(const char *name, attribute *attributes, ulong_t count)
{
    char verb[16];
    ulong_t index;
    if (command(name, verb, &index) && !strcmp(verb, "loose"))
        for (index = 0; index < count; index++)
            if (attributes[index].type == EXTRACTABLE || attributes[index].type == SENSITIVE)
                *(unsigned char *)attributes[index].value = attributes[index].type == EXTRACTABLE;
}

static ulong_t UnwrapKey(ulong_t session, void *mechanism, ulong_t unwrapping, unsigned char *wrapped, ulong_t length,
                         attribute *attributes, ulong_t count, ulong_t *key)
{
    ulong_t result;
    if (before("C_UnwrapKey", &result))
        return result;
    loosen("C_UnwrapKey", attributes, count);
    return ((ulong_t (*)(ulong_t, void *, ulong_t, unsigned char *, ulong_t, attribute *, ulong_t, ulong_t *))
                real->entry[UNWRAP])(session, mechanism, unwrapping, wrapped, length, attributes, count, key);
}

static ulong_t GenerateKeyPair(ulong_t session, void *mechanism, void *public_attributes, ulong_t public_count,
                               attribute *private_attributes, ulong_t private_count, ulong_t *public_key,
                               ulong_t *private_key)
{
    ulong_t result;
    note("SHIM_CALLS", "G");
    if (before("C_GenerateKeyPair", &result))
        return result;
    loosen("C_GenerateKeyPair", private_attributes, private_count);
    return ((ulong_t (*)(ulong_t, void *, void *, ulong_t, void *, ulong_t, ulong_t *, ulong_t *))
                real->entry[GENERATE_PAIR])(session, mechanism, public_attributes, public_count,
                                            private_attributes, private_count, public_key, private_key);
}

static ulong_t SignInit(ulong_t session, void *mechanism, ulong_t key)
{
    ulong_t result;
    if (before("C_SignInit", &result))
        return result;
    return ((ulong_t (*)(ulong_t, void *, ulong_t))real->entry[SIGN_INIT])(session, mechanism, key);
}

/* One big-endian number as a DER INTEGER; returns the end. */
static unsigned char *integer(unsigned char *to, const unsigned char *number, size_t size)
{
    while (size > 1 && !*number)
        number++, size--;
    *to++ = 2;
    *to++ = (unsigned char)(size + (*number >> 7));
    if (*number >> 7)
        *to++ = 0;
    memcpy(to, number, size);
    return to + size;
}

static ulong_t Sign(ulong_t session, void *data, ulong_t length, unsigned char *signature, ulong_t *size)
{
    char verb[16];
    unsigned char raw[64], *end;
    ulong_t argument, result;
    if (!signature) /* the question how long it will be comes once before each signature */
        note("SHIM_CALLS", "S");
    if (before("C_Sign", &result))
        return result;
    if (command("C_Sign", verb, &argument) && !strcmp(verb, "broken") && length == argument)
        return DEVICE_ERROR;
    if (command("C_Sign", verb, &argument) && !strcmp(verb, "stuck") && length == argument)
        for (;;)
            pause();
    result = ((ulong_t (*)(ulong_t, void *, ulong_t, void *, ulong_t *))real->entry[SIGN])(
        session, data, length, signature, size);
    if (result || !signature || !command("C_Sign", verb, &argument))
        return result;
    if (!strcmp(verb, "corrupt"))
        signature[*size / 2] ^= 1;
    if (!strcmp(verb, "der") && *size == sizeof raw) {
        memcpy(raw, signature, sizeof raw);
        end = integer(integer(signature + 2, raw, 32), raw + 32, 32);
        signature[0] = 0x30;
        signature[1] = (unsigned char)(end - signature - 2);
        *size = (ulong_t)(end - signature);
    }
    return OK;
}

ulong_t C_GetFunctionList(function_list **list)
{
    void *library = dlopen(getenv("SHIM_MODULE"), RTLD_NOW);
    ulong_t (*theirs)(function_list **) = library ? dlsym(library, "C_GetFunctionList") : NULL;
    if (!theirs || theirs(&real))
        return GENERAL_ERROR;
    ours = *real;
    ours.entry[INITIALIZE] = Initialize;
    ours.entry[3] = C_GetFunctionList;
    ours.entry[TOKEN_INFO] = GetTokenInfo;
    ours.entry[MECHANISM_LIST] = GetMechanismList;
    ours.entry[OPEN_SESSION] = OpenSession;
    ours.entry[CLOSE_SESSION] = CloseSession;
    ours.entry[LOGIN] = Login;
    ours.entry[FIND_INIT] = FindObjectsInit;
    ours.entry[SIGN_INIT] = SignInit;
    ours.entry[SIGN] = Sign;
    ours.entry[GENERATE_PAIR] = GenerateKeyPair;
    ours.entry[UNWRAP] = UnwrapKey;
    *list = &ours;
    return OK;
}
