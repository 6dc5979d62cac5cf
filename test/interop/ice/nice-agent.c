// One ICE agent of Debian's libnice that may use relays only: ROLE SERVER PORT USER PASSWORD udp|tcp. Says `sdp` and its SDP
// in base64 on one line, reads the other's base64 from standard input, sends fifty messages to the other side, and says
// what pair it chose and when fifty different ones came.
#include <agent.h>
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 50
#define INTERVAL_MS 20

static GMainLoop *loop;
static NiceAgent *agent;
static guint stream;
static const char *role;
static int sent;
static GHashTable *heard;

static void gathered(NiceAgent *from, guint at, gpointer data) {
  (void)from, (void)at, (void)data;
  gchar *sdp = nice_agent_generate_local_sdp(agent);
  gchar *line = g_base64_encode((const guchar *)sdp, strlen(sdp));
  printf("sdp %s\n", line);
  fflush(stdout);
  g_free(line);
  g_free(sdp);
}

static gboolean send_next(gpointer data) {
  (void)data;
  char text[32];
  snprintf(text, sizeof text, "%s %d", role, sent);
  nice_agent_send(agent, stream, 1, strlen(text), text);
  return ++sent < MESSAGES;
}

static const char *type_of(const NiceCandidate *candidate) {
  return candidate->type == NICE_CANDIDATE_TYPE_RELAYED ? "relay" : "other";
}

static void changed(NiceAgent *from, guint at, guint component, guint state, gpointer data) {
  (void)from, (void)at, (void)data;
  NiceCandidate *local = NULL, *remote = NULL;
  if (state == NICE_COMPONENT_STATE_FAILED) printf("failed\n");
  if (state == NICE_COMPONENT_STATE_READY && nice_agent_get_selected_pair(agent, stream, component, &local, &remote)) {
    printf("pair %s %s\n", type_of(local), type_of(remote));
    if (sent == 0) g_timeout_add(INTERVAL_MS, send_next, NULL);
  }
  fflush(stdout);
}

static void received(NiceAgent *from, guint at, guint component, guint length, gchar *bytes, gpointer data) {
  (void)from, (void)at, (void)component, (void)data;
  g_hash_table_add(heard, g_strndup(bytes, length));
  if (g_hash_table_size(heard) != MESSAGES) return;
  printf("heard %d\n", MESSAGES);
  fflush(stdout);
}

static gboolean read_line(GIOChannel *input, GIOCondition condition, gpointer data) {
  (void)condition, (void)data;
  gchar *line = NULL;
  if (g_io_channel_read_line(input, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
    g_main_loop_quit(loop);
    return FALSE;
  }
  gsize length = 0;
  guchar *sdp = g_base64_decode(g_strstrip(line), &length);
  gchar *text = g_strndup((const gchar *)sdp, length);
  if (nice_agent_parse_remote_sdp(agent, text) < 0) printf("bad sdp\n");
  fflush(stdout);
  g_free(text);
  g_free(sdp);
  g_free(line);
  return TRUE;
}

int main(int count, char **words) {
  if (count != 7) return 2;
  role = words[1];
  heard = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  loop = g_main_loop_new(NULL, FALSE);
  agent = nice_agent_new(g_main_loop_get_context(loop), NICE_COMPATIBILITY_RFC5245);
  g_object_set(agent, "controlling-mode", strcmp(role, "caller") == 0, "force-relay", TRUE, "upnp", FALSE, NULL);
  stream = nice_agent_add_stream(agent, 1);
  nice_agent_set_stream_name(agent, stream, "audio");
  const NiceRelayType type = strcmp(words[6], "tcp") == 0 ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP;
  nice_agent_set_relay_info(agent, stream, 1, words[2], (guint)atoi(words[3]), words[4], words[5], type);
  g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(gathered), NULL);
  g_signal_connect(agent, "component-state-changed", G_CALLBACK(changed), NULL);
  nice_agent_attach_recv(agent, stream, 1, g_main_loop_get_context(loop), received, NULL);
  g_io_add_watch(g_io_channel_unix_new(0), G_IO_IN | G_IO_HUP, read_line, NULL);
  nice_agent_gather_candidates(agent, stream);
  g_main_loop_run(loop);
  return 0;
}
