/*
 * Preloaded into linux.uml. Kernels before 6.13 keep a guest process's floating point state in a buffer of
 * fixed size. A CPU with AMX has a larger state, and its host kernel refuses a PTRACE_SETREGSET that is
 * shorter than the whole of it (EFAULT): the guest panics with "ptrace set fp regs failed, errno = 14".
 * This wrapper hands over a buffer of the full length whose excess is zero, with the components it does not
 * hold taken out of the header's bitmap. On any other CPU it passes every call through unchanged.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  PEEK_FIRST = 1, /* PTRACE_PEEKTEXT, PEEKDATA, PEEKUSER: glibc returns the word, the kernel stores it */
  PEEK_LAST = 3,
  SET_REGISTER_SET = 0x4205,
  NOTE_XSTATE = 0x202,
  LEGACY_BYTES = 512, /* the header, and in it the bitmap, follows the legacy area (Intel SDM vol. 1, 13.4) */
  LARGEST = 32768,
};

/* x87, SSE, AVX, the three parts of AVX-512, and PKRU: what the guest kernel's buffer has room for. */
static const unsigned long kept_components = 0x2ff;

/* Length of the state with every component that this CPU can save; 0 where CPUID has no leaf 0xd. */
static unsigned full_length(void) {
  static unsigned known;
  unsigned a, b, largest = 0, d;
  if (known == 0 && __get_cpuid_count(0xd, 0, &a, &b, &largest, &d)) known = largest;
  return known;
}

long ptrace(int request, ...) {
  va_list list;
  va_start(list, request);
  long pid = va_arg(list, long);
  void *address = va_arg(list, void *);
  void *value = va_arg(list, void *);
  va_end(list);

  if (request >= PEEK_FIRST && request <= PEEK_LAST) {
    long word;
    long result = syscall(SYS_ptrace, (long)request, pid, address, &word);
    if (result != 0) return result;
    errno = 0;
    return word;
  }
  if (request == SET_REGISTER_SET && (long)address == NOTE_XSTATE) {
    static char padded[LARGEST] __attribute__((aligned(64)));
    const struct iovec *given = value;
    unsigned length = full_length();
    if (given->iov_len < length && length <= LARGEST) {
      memcpy(padded, given->iov_base, given->iov_len);
      memset(padded + given->iov_len, 0, length - given->iov_len);
      if (given->iov_len >= LEGACY_BYTES + sizeof kept_components) {
        *(unsigned long *)(padded + LEGACY_BYTES) &= kept_components;
      }
      struct iovec whole = {padded, length};
      return syscall(SYS_ptrace, (long)request, pid, address, &whole);
    }
  }
  return syscall(SYS_ptrace, (long)request, pid, address, value);
}
