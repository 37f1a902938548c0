/* The C twin of `flight`, and the straight path of `Receiver._receive`: a signal that nothing stands in the way of. */

#include "speed.h"

/* -- launches: a task to cancel, for which signal, and by whose cancel one came to it ---------------------------------- */

typedef struct {
    PyObject *task, *delivery;
    Py_ssize_t by; /* the place of another one, or -1 */
} Launch;

#define FEW 8

typedef struct {
    Launch few[FEW], *all; /* `all` is that, as long as there is room, so a thread that ends leaves nothing */
    Py_ssize_t n, room, now; /* `now` is the place of the one that is going on, counted from 1; 0: none is */
    int ring;                /* it has come back to a task that it came through */
} Flights;

static _Thread_local Flights flights;

static int
enqueue(Flights *here, PyObject *task, PyObject *delivery)
{
    if (here->all == NULL) {
        here->all = here->few;
        here->room = FEW;
    }
    if (here->n == here->room) {
        Py_ssize_t room = 2 * here->room;
        int is_first = here->all == here->few;
        Launch *all = PyMem_RawRealloc(is_first ? NULL : here->all, (size_t)room * sizeof(Launch));
        if (all == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (is_first) {
            memcpy(all, here->few, sizeof here->few);
        }
        here->all = all;
        here->room = room;
    }
    here->all[here->n++] = (Launch){Py_NewRef(task), Py_NewRef(delivery), here->now - 1};
    return 0;
}

/* flight._start, of the one whose place `now` is. */
static int
start(State *state, Flights *here)
{
    Launch one = here->all[here->now - 1];
    Delivery *delivery = (Delivery *)one.delivery;
    here->ring = 0;
    PyObject *done = sigtask_stock_cancel(state, one.task, delivery->given);
    int failed = done == NULL;
    Py_XDECREF(done);
    if (failed || here->ring || sigtask_level(delivery->level) >= state->kill_level) {
        PyObject *error = failed ? sigtask_catch() : NULL;
        PyObject *freed = PyObject_CallOneArg(state->free, one.task);
        if (freed == NULL) {
            Py_XDECREF(error);
            return -1;
        }
        Py_DECREF(freed);
        if (error != NULL) {
            sigtask_raise(error);
        }
    }
    return failed ? -1 : 0;
}

/* Forgets all but so many of them. To let go of one may run Python of anybody's, and launch others meanwhile. */
static void
forget_all(Flights *here, Py_ssize_t before)
{
    while (here->n > before) {
        Launch one = here->all[--here->n];
        Py_DECREF(one.task);
        Py_DECREF(one.delivery);
    }
    if (here->n == 0 && here->all != here->few) {
        PyMem_RawFree(here->all);
        here->all = NULL;
        here->room = 0;
    }
}

int
sigtask_launch(State *state, PyObject *task, PyObject *delivery)
{
    Flights *here = &flights;
    if (enqueue(here, task, delivery) < 0) {
        return -1;
    }
    if (here->now > 0) {
        return 0; /* the outermost one works it off */
    }
    PyObject *failed = NULL;
    Py_ssize_t before = here->n - 1; /* that others are just being forgotten */
    for (here->now = here->n; here->now <= here->n; here->now++) {
        if (start(state, here) < 0) { /* an awaited thing's own cancel() failed: the others still get theirs */
            Py_XSETREF(failed, sigtask_catch());
        }
    }
    here->now = 0;
    forget_all(here, before);
    if (failed != NULL) {
        sigtask_raise(failed);
    }
    return failed == NULL ? 0 : -1;
}

int
sigtask_passed_on(PyObject *msg, PyObject *below)
{
    Flights *here = &flights;
    if (here->now == 0) {
        return 0;
    }
    Delivery *now = (Delivery *)here->all[here->now - 1].delivery;
    if (sigtask_origin(now->given) != sigtask_origin(msg)) {
        return 0;
    }
    if (now->below == NULL) {
        if (sigtask_is_delivery(below)) {
            sigtask_track(below); /* two have it now */
        }
        now->below = sigtask_is_delivery(below) ? Py_NewRef(below) : Py_BuildValue("[O]", below);
        return now->below == NULL ? -1 : 0;
    }
    PyObject *list = PyObject_GetAttrString((PyObject *)now, "below");
    if (list != NULL && PyList_Check(list) && PyList_Append(list, below) == 0) {
        Py_DECREF(list);
        return 0;
    }
    Py_XDECREF(list);
    return -1;
}

void
sigtask_came_back(PyObject *task)
{
    Flights *here = &flights;
    Py_ssize_t at = here->now - 1;
    while (at >= 0 && here->all[at].task != task) {
        at = here->all[at].by;
    }
    here->ring = here->ring || at >= 0;
}

/* -- arrivals --------------------------------------------------------------------------------------------------------- */

int
sigtask_may_be_busy(Inbox *inbox)
{
    if (inbox->delivered == NULL) {
        return 0;
    }
    if (PyTuple_CheckExact(inbox->delivered)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inbox->delivered); i++) {
            if (sigtask_lives(((Delivery *)PyTuple_GET_ITEM(inbox->delivered, i))->thrown)) {
                return 1;
            }
        }
        return 0;
    }
    return sigtask_lives(((Delivery *)inbox->delivered)->thrown);
}

/* Whether what is in the inbox may be in the way of a signal of this level. */
static int
is_in_the_way(State *state, Inbox *inbox, long level)
{
    return inbox != NULL && (IS(inbox->doom) || IS(inbox->flying) || inbox->covers != NULL || sigtask_may_be_busy(inbox) ||
                             sigtask_is_blocked(state, inbox, level));
}

/* 1: nothing stands in the way of this signal, so it flies; 0: Python is to decide; -1: an exception. */
static int
goes_straight(State *state, PyObject *task, PyObject *signal, PyObject **loop)
{
    PyObject *value = PyObject_GetAttr(signal, state->level_name);
    if (value == NULL) {
        return -1;
    }
    long level = sigtask_level(value);
    Py_DECREF(value);
    Shim *shim = sigtask_shim_of(task);
    if (shim == NULL || shim->coro == NULL || !PyCoro_CheckExact(shim->coro) ||
        ((PyBaseExceptionObject *)signal)->traceback != NULL || level < state->interrupt_level ||
        level >= state->kill_level || is_in_the_way(state, sigtask_inbox_of(task), level)) {
        return 0;
    }
    PyObject *running = PyObject_CallNoArgs(state->running_loop);
    *loop = running == NULL ? NULL : PyObject_CallOneArg(state->stock_get_loop, task);
    int same = running == *loop;
    Py_XDECREF(running);
    if (*loop == NULL) {
        return -1;
    }
    Py_DECREF(*loop); /* the task has it */
    if (!same) {
        return 0;
    }
    int at_work = sigtask_is_true(PyObject_GetAttr(shim->coro, state->running_name));
    if (at_work != 0) {
        return at_work < 0 ? -1 : 0;
    }
    int done = sigtask_is_true(PyObject_CallOneArg(state->stock_done, task));
    return done < 0 ? -1 : !done;
}

/* The name of who sends, for a signal that has none yet; NULL for nobody, or with an exception. */
static PyObject *
name_of(State *state, PyObject *loop, PyObject *signal, PyObject *sender)
{
    if (IS(SLOT(signal, sigtask_slots.sender))) {
        return NULL;
    }
    Flights *here = &flights;
    Delivery *now = here->now > 0 ? (Delivery *)here->all[here->now - 1].delivery : NULL;
    if (sender == NULL && now != NULL && sigtask_origin(now->given) == sigtask_origin(signal)) {
        return Py_XNewRef(now->sender); /* it is passed on, by the same */
    }
    PyObject *asker = sender == NULL ? PyObject_CallOneArg(state->current_task, loop) : Py_NewRef(sender), *name = NULL;
    if (asker != NULL && asker != Py_None) {
        name = PyObject_CallMethodNoArgs(asker, state->get_name_name);
    }
    Py_XDECREF(asker);
    return name;
}

/* The record of it, remembered. A new reference. */
static Delivery *
recorded(State *state, PyObject *task, PyObject *loop, PyObject *signal, PyObject *sender)
{
    Inbox *inbox = sigtask_mailbox(state, task);
    Delivery *delivery = inbox == NULL || sigtask_note_address(state, inbox, task) < 0
                             ? NULL
                             : sigtask_delivery_new(state, inbox, signal);
    if (delivery == NULL) {
        return NULL;
    }
    delivery->sender = name_of(state, loop, signal, sender);
    if ((delivery->sender == NULL && PyErr_Occurred()) ||
        sigtask_remember(state, inbox, delivery) < 0) {
        Py_DECREF(delivery);
        return NULL;
    }
    return delivery;
}

/* Noting it has run Python that has sent something else, a watcher or a finalizer: what Receiver._receive does with what may
 * not fly. Borrowed. */
static PyObject *
settle(State *state, PyObject *task, Delivery *delivery)
{
    PyObject *inbox = sigtask_expose((PyObject *)sigtask_inbox_of(task)), *done = NULL;
    int flies = sigtask_is_true(PyObject_CallMethod(inbox, "judge", "O", delivery));
    if (flies >= 0) {
        done = flies ? PyObject_CallMethod(task, "_launch", "OO", inbox, delivery) : PyObject_CallMethod(task, "_look_later", NULL);
    }
    Py_DECREF(inbox);
    Py_XDECREF(done);
    if (done == NULL) {
        return NULL;
    }
    return delivery->fate == state->superseded ? state->in_flight : delivery->fate; /* its class has it */
}

PyObject *
sigtask_receive(State *state, PyObject *task, PyObject *signal, int awaited, PyObject *sender)
{
    PyObject *loop = NULL;
    int straight = goes_straight(state, task, signal, &loop);
    if (straight < 0) {
        return NULL;
    }
    if (straight == 0) {
        PyObject *args[] = {task, signal, awaited ? Py_True : Py_False, sender == NULL ? Py_None : sender};
        PyObject *fate = PyObject_Vectorcall(state->receive, args, 4, NULL);
        Py_XDECREF(fate); /* its class has it */
        return fate;
    }
    Delivery *delivery = recorded(state, task, loop, signal, sender);
    if (delivery == NULL || (awaited && sigtask_passed_on(signal, (PyObject *)delivery) < 0)) {
        Py_XDECREF(delivery);
        return NULL;
    }
    Inbox *inbox = sigtask_inbox_of(task);
    if (is_in_the_way(state, inbox, sigtask_level(delivery->level))) {
        PyObject *fate = settle(state, task, delivery);
        Py_DECREF(delivery);
        return fate;
    }
    Py_SETREF(delivery->fate, Py_NewRef(state->in_flight));
    Py_XSETREF(inbox->flying, Py_NewRef(delivery));
    inbox->weight += 1;
    inbox->send = RESUMING;
    int failed = sigtask_launch(state, task, (PyObject *)delivery);
    Py_DECREF(delivery);
    return failed < 0 ? NULL : state->in_flight;
}
