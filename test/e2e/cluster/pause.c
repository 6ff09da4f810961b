/* First process of a pod: holds its namespaces, and takes in what its containers leave behind. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void finish(int signal)
{
	(void)signal;
	_exit(0);
}

static void collect(int signal)
{
	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	signal(SIGINT, finish);
	signal(SIGTERM, finish);
	signal(SIGCHLD, collect);
	for (;;)
		pause();
}
