/*
 * libpri at the other end of a D channel: an independent peer for tests.
 *
 * usage: libpri network|user primary|bus N200, with a datagram socket as standard input: one frame a datagram, without FCS.
 * Says on standard output what becomes of its data link: "up", "down".
 *
 * libpri is GPL. It runs in this process of its own, built from Debian's package when the tests run, and is no part of
 * what is delivered.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libpri.h>

#define LINE 0
#define FCS 2

/* libpri counts two octets of FCS that the line does not have. */
static int from_line(struct pri *pri, void *buffer, int size)
{
	(void)pri;
	ssize_t length = recv(LINE, buffer, size - FCS, MSG_DONTWAIT);
	if (length <= 0)
		return 0;
	memset((char *)buffer + length, 0, FCS);
	return (int)length + FCS;
}

static int to_line(struct pri *pri, void *buffer, int length)
{
	(void)pri;
	/* A full socket is a line that loses. */
	send(LINE, buffer, length - FCS, MSG_DONTWAIT);
	return length;
}

static void say(struct pri *pri, char *text)
{
	(void)pri;
	fputs(text, stderr);
}

static void tell(const pri_event *event)
{
	if (!event)
		return;
	if (event->e == PRI_EVENT_DCHAN_UP)
		puts("up");
	else if (event->e == PRI_EVENT_DCHAN_DOWN)
		puts("down");
	fflush(stdout);
}

static int milliseconds_until(const struct timeval *at)
{
	if (!at)
		return -1;
	struct timeval now;
	gettimeofday(&now, NULL);
	long left = (at->tv_sec - now.tv_sec) * 1000 + (at->tv_usec - now.tv_usec) / 1000 + 1;
	return left < 0 ? 0 : (int)left;
}

int main(int count, char **words)
{
	if (count != 4)
		return 2;
	/* Whoever started this is a test, and may be killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pri_set_message(say);
	pri_set_error(say);

	int node = strcmp(words[1], "network") == 0 ? PRI_NETWORK : PRI_CPE;
	struct pri *pri;
	if (strcmp(words[2], "primary") == 0)
		pri = pri_new_cb(LINE, node, PRI_SWITCH_EUROISDN_E1, from_line, to_line, NULL);
	else
		pri = pri_new_bri_cb(LINE, 0, node, PRI_SWITCH_EUROISDN_E1, from_line, to_line, NULL);
	if (!pri)
		return 1;
	pri_persistent_layer2_option(pri, PRI_L2_PERSISTENCE_KEEP_UP);
	/* Milliseconds: a test is not to wait for seconds of silence. */
	pri_set_timer(pri, PRI_TIMER_T200, 200);
	pri_set_timer(pri, PRI_TIMER_T203, 1000);
	pri_set_timer(pri, PRI_TIMER_N200, atoi(words[3]));

	for (;;) {
		struct pollfd line = { .fd = LINE, .events = POLLIN };
		int ready = poll(&line, 1, milliseconds_until(pri_schedule_next(pri)));
		if (ready < 0)
			return 1;
		tell(ready ? pri_check_event(pri) : pri_schedule_run(pri));
	}
}
