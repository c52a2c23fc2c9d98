/* A driver for exception tests. Built with -fms-extensions; clang counts only calls as throwing inside __try. */

typedef unsigned long ULONG;
typedef unsigned long long ULONG64;

__declspec(dllimport) void ExRaiseStatus(int status);
__declspec(dllimport) ULONG64 Note(ULONG64 digit);
__declspec(dllimport) void *memcpy(void *to, const void *from, ULONG64 count);

unsigned long __cdecl _exception_code(void);
#define GetExceptionCode _exception_code

static volatile ULONG64 sink;

__attribute__((noinline)) static void Touch(ULONG64 *at)
{
    sink = *at;
}

__attribute__((noinline)) static void TouchAndNote(ULONG64 *at)
{
    __try {
        Touch(at);
        Note(8);
    } __finally {
        Note(_abnormal_termination() ? 2 : 3);
    }
}

__attribute__((noinline)) static int Takes(ULONG code, ULONG wanted)
{
    Note(1);
    return code == wanted;
}

__attribute__((noinline)) static ULONG64 Caught(ULONG64 *at, ULONG wanted)
{
    ULONG64 kept = sink + 40;
    __try {
        TouchAndNote(at);
    } __except (Takes(GetExceptionCode(), wanted)) {
        Note(4);
        return kept + GetExceptionCode();
    }
    return 7;
}

__attribute__((noinline)) static ULONG64 Raised(int status)
{
    ULONG64 result = 0;
    __try {
        __try {
            ExRaiseStatus(status);
            Note(8);
        } __except (GetExceptionCode() == 0xC0000001) {
            result = 1;
        }
        Note(5);
    } __except (1) {
        result = 2;
    }
    return result;
}

__attribute__((noinline)) static ULONG64 Copied(void *from)
{
    ULONG64 here = 3;
    __try {
        memcpy(&here, from, sizeof here);
    } __except (1) {
        return GetExceptionCode();
    }
    return here;
}

/* An exception in a handler, out of a loop, with locals that live across. */
__attribute__((noinline)) static ULONG64 Repeated(ULONG64 *at)
{
    ULONG64 count = 0;
    for (int round = 0; round < 100; round++) {
        __try {
            __try {
                Touch(at);
            } __except (1) {
                count += 1;
                ExRaiseStatus(0xC0000002);
            }
        } __except (1) {
            count += 1000;
        }
    }
    return count;
}

ULONG64 DriverEntry(ULONG64 test, ULONG64 argument)
{
    switch (test) {
    case 0: return Caught((ULONG64 *)argument, 0xC0000005);
    case 1: return Caught((ULONG64 *)argument, 1);
    case 2: return Raised((int)argument);
    case 3: return Copied((void *)argument);
    case 4: return Repeated((ULONG64 *)argument);
    default: return ~0ULL;
    }
}
