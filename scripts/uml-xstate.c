/* Lets user-mode-linux 6.1 run on processors with AMX; scripts/vm preloads it.
 *
 * The guest kernel saves a process's vector registers in a buffer of fixed size and writes them back with
 * PTRACE_SETREGSET. The host accepts only the whole area (EFAULT otherwise), and AMX tiles made that 11 KB, more than
 * the guest has room for: it dies with "ptrace set fp regs failed, errno = 14". So the part that was cut off is put
 * back here, as zeros: no process in the guest can have asked for tiles, for its kernel knows no ARCH_REQ_XCOMP_PERM.
 *
 * See  ptrace(2); arch/x86/kernel/fpu/regset.c xstateregs_set(); arch/x86/um/os-Linux/registers.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#define SETREGSET 0x4205
#define GETREGSET 0x4204
#define XSTATE_BV 512            /* offset of the bit map of components in use: Intel SDM volume 1, 13.4.2 */
#define AMX_COMPONENTS (3ull << 17)

static uint8_t whole[65536];

long ptrace(long request, pid_t pid, void *address, void *data)
{
    static long (*real)(long, pid_t, void *, void *);
    static size_t size;
    if (!real)
        real = (long (*)(long, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
    if (request != SETREGSET || (uintptr_t)address != NT_X86_XSTATE)
        return real(request, pid, address, data);

    struct iovec full = {whole, sizeof whole};
    if (!size) {
        long status = real(GETREGSET, pid, address, &full);
        if (status < 0)
            return status;
        size = full.iov_len;
    }
    struct iovec *given = data;
    if (given->iov_len >= size)
        return real(request, pid, address, data);
    memset(whole + given->iov_len, 0, size - given->iov_len);
    memcpy(whole, given->iov_base, given->iov_len);
    uint64_t components;
    memcpy(&components, whole + XSTATE_BV, sizeof components);
    components &= ~AMX_COMPONENTS;
    memcpy(whole + XSTATE_BV, &components, sizeof components);
    full.iov_len = size;
    return real(request, pid, address, &full);
}
