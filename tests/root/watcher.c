/* A program in a container that waits for whoever appears in its pid namespace next, stops it, and says what it can see
 * of it: a line of key=value for each.  Needs CAP_SYS_PTRACE.  See ptrace(2), proc(5).
 *
 * Usage: watcher HOST-FILE      a path that exists on the host only
 *        watcher                stops whoever appears, with SIGSTOP, for good; needs no capability
 *        watcher --keep         traces whoever appears, and when it is dead does not let it go
 *        watcher --say TEXT     leaves TEXT on the pages that it shares with others, and kills it;
 *                               with one more word it does not let it go then */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[8192], text[65536];

static const char *in_proc(int pid, const char *name)
{
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	return path;
}

static int bytes_of(int pid, const char *name)
{
	int fd = open(in_proc(pid, name), O_RDONLY), length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = 0;
	return length;
}

static int descriptors_of(int pid)
{
	DIR *directory = opendir(in_proc(pid, "fd"));
	int count = 0;
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		count += entry->d_name[0] != '.' && atoi(entry->d_name) > 2;
	if (directory)
		closedir(directory);
	return count;
}

/* Of the files that it has mapped, those that can be opened for writing (that needs CAP_CHECKPOINT_RESTORE as well). */
static int writable_of(int pid)
{
	DIR *directory = opendir(in_proc(pid, "map_files"));
	int count = 0;
	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		char name[300], file[4096] = "";
		snprintf(name, sizeof name, "map_files/%s", entry->d_name);
		int fd = entry->d_name[0] == '.' ? -1 : open(in_proc(pid, name), O_WRONLY);
		if (fd < 0)
			continue;
		readlink(path, file, sizeof file - 1);
		if (*file == '/' && strncmp(file, "/dev/zero", 9)) { /* what is shared and has no name is shown as /dev/zero */
			count++;
			printf("writable %s\n", file);
		}
		close(fd);
	}
	if (directory)
		closedir(directory);
	return count;
}

static void tell(int pid, const char *host_file)
{
	char exe[4096] = "", name[4096], capabilities[32] = "";
	int host, environment = 0, environ_length;
	readlink(in_proc(pid, "exe"), exe, sizeof exe - 1);
	snprintf(name, sizeof name, "root/%s", host_file);
	host = !access(in_proc(pid, name), F_OK);
	environ_length = bytes_of(pid, "environ");
	for (int at = 0; at < environ_length; at++)
		environment += text[at] != 0;
	bytes_of(pid, "status");
	char *line = strstr(text, "CapPrm:\t");
	if (line)
		sscanf(line, "CapPrm:\t%31s", capabilities);
	printf("pid=%d exe=%s host=%d environ=%d fds=%d caps=%s writable=%d\n", pid, exe, host, environment,
	       descriptors_of(pid), capabilities, writable_of(pid));
	fflush(stdout);
}

static void say(int pid, const char *words)
{
	unsigned long start;
	char flags[8];
	FILE *maps = fopen(in_proc(pid, "maps"), "r");
	int memory = open(in_proc(pid, "mem"), O_RDWR);
	while (maps && fgets(text, sizeof text, maps))
		if (sscanf(text, "%lx-%*x %7s", &start, flags) == 2 && !strcmp(flags, "rw-s"))
			pwrite(memory, words, strlen(words), start);
	kill(pid, SIGKILL);
	if (maps)
		fclose(maps);
	close(memory);
}

int main(int count, char **words)
{
	int status, next = getpid() + 1, pid = next;
	int keeps = count > 1 && !strcmp(words[1], "--keep"), says = count > 2 && !strcmp(words[1], "--say");
	printf("watching\n");
	fflush(stdout);
	for (; count == 1; pid = pid < next + 31 ? pid + 1 : next)
		kill(pid, SIGSTOP);
	for (;; next = pid + 1) {
		for (pid = next; ptrace(PTRACE_SEIZE, pid, 0, 0) < 0; pid = pid < next + 7 ? pid + 1 : next)
			;  /* some may have come and gone before we began */
		if (keeps)
			continue;
		ptrace(PTRACE_INTERRUPT, pid, 0, 0);
		if (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
			says ? say(pid, words[2]) : tell(pid, words[1]);
			if (count > 3)
				continue;
			if (ptrace(PTRACE_DETACH, pid, 0, 0) < 0) /* it is dead, and its parent hears of that after us */
				waitpid(pid, &status, __WALL);
		}
	}
	return 0;
}
