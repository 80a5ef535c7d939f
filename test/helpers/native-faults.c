/* Preloaded, it makes the addon's own calls fail, and no one else's:
   FAULT_THREADS=N   the system refuses every thread behind the first N
   FAULT_MEMORY=N    every Nth allocation fails */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

void* _Znwm(unsigned long size);
/* std::bad_alloc, from C. */
void _ZSt17__throw_bad_allocv(void);

static long asked(const char* fault) {
  const char* value = getenv(fault);
  return value == NULL ? -1 : atol(value);
}

static int is_in(const void* address, const char* library) {
  Dl_info found;
  return dladdr(address, &found) != 0 && found.dli_fname != NULL && strstr(found.dli_fname, library) != NULL;
}

/* Where the addon's code lies. */
static const char *addon_start, *addon_end;

static int find_addon(struct dl_phdr_info* object, size_t size, void* unused) {
  (void)size, (void)unused;
  if (strstr(object->dlpi_name, "librsync-native") == NULL) return 0;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr)* part = &object->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0) continue;
    addon_start = (const char*)object->dlpi_addr + part->p_vaddr;
    addon_end = addon_start + part->p_memsz;
  }
  return 1;
}

void* dlopen(const char* path, int flags) {
  REAL(dlopen);
  void* opened = real(path, flags);
  if (path != NULL && strstr(path, "librsync-native") != NULL) dl_iterate_phdr(find_addon, NULL);
  return opened;
}

/* std::thread's start lies in the standard library, or in the addon that has it in itself. */
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  static long started;
  REAL(pthread_create);
  const long most = asked("FAULT_THREADS");
  const void* caller = __builtin_return_address(0);
  const int is_ours = is_in(caller, "libstdc++") || is_in(caller, "librsync-native");
  if (most >= 0 && is_ours && __atomic_add_fetch(&started, 1, __ATOMIC_RELAXED) > most) return EAGAIN;
  return real(thread, attributes, start, argument);
}

static int fails(const char* caller) {
  static long every = -2, calls;
  if (caller < addon_start || caller >= addon_end) return 0;
  if (every == -2) every = asked("FAULT_MEMORY");
  return every > 0 && __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % every == 0;
}

/* operator new(size_t) */
void* _Znwm(unsigned long size) {
  REAL(_Znwm);
  if (fails(__builtin_return_address(0))) _ZSt17__throw_bad_allocv();
  return real(size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  REAL(aligned_alloc);
  return fails(__builtin_return_address(0)) ? NULL : real(alignment, size);
}

void* realloc(void* old, size_t size) {
  REAL(realloc);
  return fails(__builtin_return_address(0)) ? NULL : real(old, size);
}
