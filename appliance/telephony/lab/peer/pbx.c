/*
 * An exchange made of libpri, at the other end of an ISDN line: an independent peer for tests.
 *
 * usage: pbx network|user primary|basic, with a datagram socket as standard input: one frame a datagram, without FCS.
 * A datagram that begins with 1, which no frame does, is an order; N is any number from 0 to 63, the name of a call:
 *
 *   call N CHANNEL CALLING CALLED    calls, all digits at once (CALLING of - is none, one with ! in front is secret)
 *   overlap N CHANNEL CALLING        calls without a digit
 *   digit N DIGITS                   more digits
 *   alert N, answer N, clear N CAUSE
 *
 * Says on standard output what happens: up, down, ring N CHANNEL CALLING CALLED (N is new), more N, proceeding N,
 * alerting N INBAND, progress N INBAND, answered N, cleared N CAUSE, over N.
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
#define CALLS 64
#define INBAND (PRI_PROG_INBAND_AVAILABLE | PRI_PROG_CALL_NOT_E2E_ISDN)

static struct pri *pri;
static q931_call *calls[CALLS];
static int channels[CALLS];

/* The datagram that was read last, if it was a frame that libpri has not taken yet. */
static unsigned char waiting[2048];
static ssize_t waits;

static int from_line(struct pri *of, void *buffer, int size)
{
	(void)of;
	if (waits <= 0 || waits > size - FCS)
		return 0;
	/* libpri counts two octets of FCS that the line does not have. */
	memcpy(buffer, waiting, waits);
	memset((char *)buffer + waits, 0, FCS);
	int length = (int)waits + FCS;
	waits = 0;
	return length;
}

static int to_line(struct pri *of, void *buffer, int length)
{
	(void)of;
	/* A full socket is a line that loses. */
	send(LINE, buffer, length - FCS, MSG_DONTWAIT);
	return length;
}

static void say(struct pri *of, char *text)
{
	(void)of;
	fputs(text, stderr);
}

static int number(const q931_call *call)
{
	for (int n = 0; n < CALLS; n++)
		if (calls[n] == call)
			return n;
	return -1;
}

static int remember(q931_call *call, int channel)
{
	int n = number(NULL);
	if (n >= 0) {
		calls[n] = call;
		channels[n] = channel;
	}
	return n;
}

static const char *digits(const char *text)
{
	return *text ? text : "-";
}

static void over(int n, q931_call *call, int cause)
{
	pri_hangup(pri, call, cause);
	if (n >= 0) {
		printf("over %d\n", n);
		calls[n] = NULL;
	}
}

static void tell(pri_event *event)
{
	if (!event)
		return;
	switch (event->e) {
	case PRI_EVENT_DCHAN_UP:
		puts("up");
		break;
	case PRI_EVENT_DCHAN_DOWN:
		puts("down");
		break;
	case PRI_EVENT_RING: {
		int n = remember(event->ring.call, event->ring.channel);
		printf("ring %d %d %s %s\n", n, event->ring.channel, digits(event->ring.callingnum),
		       digits(event->ring.callednum));
		pri_proceeding(pri, event->ring.call, event->ring.channel, 0);
		break;
	}
	case PRI_EVENT_SETUP_ACK:
		printf("more %d\n", number(event->setup_ack.call));
		break;
	case PRI_EVENT_PROCEEDING:
		printf("proceeding %d\n", number(event->proceeding.call));
		break;
	case PRI_EVENT_PROGRESS:
		printf("progress %d %d\n", number(event->proceeding.call), !!(event->proceeding.progressmask & INBAND));
		break;
	case PRI_EVENT_RINGING:
		printf("alerting %d %d\n", number(event->ringing.call), !!(event->ringing.progressmask & INBAND));
		break;
	case PRI_EVENT_ANSWER:
		printf("answered %d\n", number(event->answer.call));
		break;
	case PRI_EVENT_HANGUP_REQ:
		printf("cleared %d %d\n", number(event->hangup.call), event->hangup.cause);
		pri_hangup(pri, event->hangup.call, event->hangup.cause);
		break;
	case PRI_EVENT_HANGUP: {
		int n = number(event->hangup.call);
		printf("cleared %d %d\n", n, event->hangup.cause);
		over(n, event->hangup.call, event->hangup.cause);
		break;
	}
	case PRI_EVENT_HANGUP_ACK:
		over(number(event->hangup.call), event->hangup.call, event->hangup.cause);
		break;
	}
	fflush(stdout);
}

static void begin(int n, int channel, char *calling, char *called)
{
	int secret = *calling == '!';
	if (secret)
		calling++;
	q931_call *call = pri_new_call(pri);
	struct pri_sr *setup = pri_sr_new();
	calls[n] = call;
	channels[n] = channel;
	pri_sr_set_channel(setup, channel, 1, 0);
	pri_sr_set_bearer(setup, PRI_TRANS_CAP_SPEECH, PRI_LAYER_1_ALAW);
	pri_sr_set_called(setup, called ? called : "", PRI_UNKNOWN, called != NULL);
	if (*calling != '-')
		pri_sr_set_caller(setup, calling, NULL, PRI_NATIONAL_ISDN,
				  secret ? PRES_PROHIB_USER_NUMBER_NOT_SCREENED
					 : PRES_ALLOWED_USER_NUMBER_NOT_SCREENED);
	pri_setup(pri, call, setup);
	pri_sr_free(setup);
}

static void obey(char *order)
{
	char calling[64], called[64];
	int n, value;
	if (sscanf(order, "call %d %d %63s %63s", &n, &value, calling, called) == 4)
		begin(n, value, calling, called);
	else if (sscanf(order, "overlap %d %d %63s", &n, &value, calling) == 3)
		begin(n, value, calling, NULL);
	else if (sscanf(order, "digit %d %63s", &n, called) == 2 && calls[n])
		for (char *digit = called; *digit; digit++)
			pri_information(pri, calls[n], *digit);
	else if (sscanf(order, "alert %d", &n) == 1 && calls[n])
		pri_acknowledge(pri, calls[n], channels[n], 0);
	else if (sscanf(order, "answer %d", &n) == 1 && calls[n])
		pri_answer(pri, calls[n], channels[n], 0);
	else if (sscanf(order, "clear %d %d", &n, &value) == 2 && calls[n])
		pri_hangup(pri, calls[n], value);
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
	if (count != 3)
		return 2;
	/* Whoever started this is a test, and may be killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pri_set_message(say);
	pri_set_error(say);

	int node = strcmp(words[1], "network") == 0 ? PRI_NETWORK : PRI_CPE;
	if (strcmp(words[2], "primary") == 0)
		pri = pri_new_cb(LINE, node, PRI_SWITCH_EUROISDN_E1, from_line, to_line, NULL);
	else
		pri = pri_new_bri_cb(LINE, 1, node, PRI_SWITCH_EUROISDN_E1, from_line, to_line, NULL);
	if (!pri)
		return 1;
	pri_persistent_layer2_option(pri, PRI_L2_PERSISTENCE_KEEP_UP);
	pri_hangup_fix_enable(pri, 1);
	/* Else it says that numbers are complete, whatever it is told. */
	pri_set_overlapdial(pri, 1);

	for (;;) {
		struct pollfd line = { .fd = LINE, .events = POLLIN };
		int ready = poll(&line, 1, milliseconds_until(pri_schedule_next(pri)));
		if (ready < 0)
			return 1;
		if (!ready) {
			tell(pri_schedule_run(pri));
			continue;
		}
		waits = recv(LINE, waiting, sizeof(waiting) - 1, MSG_DONTWAIT);
		if (waits <= 0)
			return 0;
		if (waiting[0] == 1) {
			waiting[waits] = 0;
			waits = 0;
			obey((char *)waiting + 1);
		} else {
			tell(pri_check_event(pri));
		}
	}
}
