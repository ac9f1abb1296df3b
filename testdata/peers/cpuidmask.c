/* Shows the program that it is preloaded into a processor with AVX2 and nothing
 * newer, so that a library that chooses its code at run time takes its AVX2 path.
 *
 *     cc -O2 -shared -fPIC -o cpuidmask.so cpuidmask.c
 *     LD_PRELOAD=./cpuidmask.so program
 *
 * arch_prctl(ARCH_CPUID_SET, 0) makes the CPUID instruction fault (arch_prctl(2);
 * the processor needs the flag cpuid_fault in /proc/cpuinfo). Threads inherit
 * that. The handler executes the instruction in the program's place and takes
 * bits off the answer (Intel SDM, volume 2, CPUID, leaf 7).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_CPUID_SET 0x1012

typedef int sigaction_function(int, const struct sigaction *, struct sigaction *);

static void set_cpuid(int enabled)
{
	if (syscall(SYS_arch_prctl, ARCH_CPUID_SET, enabled) != 0) {
		fputs("cpuidmask: this processor or kernel cannot make CPUID fault\n", stderr);
		_exit(70);
	}
}

#define BIT(n) (1u << (n))

/* mask takes off leaf 7: AVX-512, AMX, AVX-VNNI in all its forms and AVX10. */
static void mask(unsigned leaf, unsigned subleaf, unsigned r[4])
{
	if (leaf == 7 && subleaf == 0) {
		r[1] &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
		r[2] &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
		r[3] &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
	} else if (leaf == 7 && subleaf == 1) {
		r[0] &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));
		r[3] &= ~(BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19));
	}
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *code = (const unsigned char *)g[REG_RIP];
	if (code[0] != 0x0f || code[1] != 0xa2) { /* not CPUID: a fault of the program */
		signal(SIGABRT, SIG_DFL);
		fputs("cpuidmask: segmentation fault\n", stderr);
		abort();
	}
	unsigned leaf = g[REG_RAX], subleaf = g[REG_RCX], r[4];
	set_cpuid(1);
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(subleaf));
	set_cpuid(0);
	mask(leaf, subleaf, r);
	g[REG_RAX] = r[0];
	g[REG_RBX] = r[1];
	g[REG_RCX] = r[2];
	g[REG_RDX] = r[3];
	g[REG_RIP] += 2;
	(void)number, (void)info;
}

/* The program may not replace the handler. */
int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
	if (number == SIGSEGV && new != NULL) {
		if (old != NULL)
			memset(old, 0, sizeof *old);
		return 0;
	}
	sigaction_function *real = (sigaction_function *)dlsym(RTLD_NEXT, "sigaction");
	return real(number, new, old);
}

__attribute__((constructor)) static void start(void)
{
	sigaction_function *real = (sigaction_function *)dlsym(RTLD_NEXT, "sigaction");
	struct sigaction s = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
	real(SIGSEGV, &s, NULL);
	set_cpuid(0);
}
