/* The C twins of `inbox.Inbox` and `delivery.Delivery`: the same attributes, as plain fields. What is decided by them is
 * written in Python, and lent to these types by `native.lend`. */

#include "speed.h"

PyObject *
sigtask_weak(PyObject *object)
{
    PyObject *ref = PyWeakref_NewRef(object, NULL);
    if (ref != NULL) {
        PyObject_GC_UnTrack(ref); /* without a callback, it leads nowhere */
    }
    return ref;
}

int
sigtask_lives(PyObject *ref)
{
    if (!IS(ref)) {
        return 0;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found;
    int alive = PyWeakref_GetRef(ref, &found);
    Py_XDECREF(found);
    return alive > 0;
#else
    return PyWeakref_GET_OBJECT(ref) != Py_None;
#endif
}

static void
track(PyObject *op)
{
    if (!PyObject_GC_IsTracked(op)) {
        PyObject_GC_Track(op);
    }
}

/* -- fields that are an empty tuple when nothing is in them, or hold one thing in place of a container of it ----------- */

static PyObject **
field(PyObject *self, void *offset)
{
    return (PyObject **)((char *)self + (Py_ssize_t)(intptr_t)offset);
}

static PyObject *
get_tuple(PyObject *self, void *offset)
{
    PyObject *value = *field(self, offset);
    return value == NULL ? PyTuple_New(0) : Py_NewRef(value);
}

static int
set_object(PyObject *self, PyObject *value, void *offset)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "this can be set, and not deleted");
        return -1;
    }
    Py_XSETREF(*field(self, offset), Py_NewRef(value));
    return 0;
}

static int
set_tuple(PyObject *self, PyObject *value, void *offset)
{
    if (value != NULL && PyTuple_CheckExact(value) && PyTuple_GET_SIZE(value) == 0) {
        Py_CLEAR(*field(self, offset));
        return 0;
    }
    return set_object(self, value, offset);
}

static int
is_delivery(PyObject *value)
{
    return value != NULL && Py_TYPE(value)->tp_traverse == sigtask_delivery_traverse;
}

static PyObject *
get_delivered(PyObject *self, void *offset)
{
    PyObject *value = *field(self, offset);
    return is_delivery(value) ? PyTuple_Pack(1, value) : get_tuple(self, offset);
}

static PyObject *
get_below(PyObject *self, void *offset)
{
    PyObject **at = field(self, offset);
    if (is_delivery(*at)) {
        PyObject *list = PyList_New(1);
        if (list == NULL) {
            return NULL;
        }
        PyList_SET_ITEM(list, 0, *at);
        *at = list;
    }
    return get_tuple(self, offset);
}

/* The list, made by now. Borrowed. */
static PyObject *
history_of(Inbox *inbox)
{
    if (inbox->history == NULL || is_delivery(inbox->history)) {
        State *state = (State *)PyType_GetModuleState(Py_TYPE(inbox));
        PyObject *list = PyObject_CallNoArgs(state->history);
        if (list == NULL || (inbox->history != NULL && PyList_Append(list, inbox->history) < 0)) {
            Py_XDECREF(list);
            return NULL;
        }
        if (inbox->history != NULL) {
            track(inbox->history); /* the list is tracked, and nobody else answers for what is in it */
        }
        Py_XSETREF(inbox->history, list);
    }
    return inbox->history;
}

static PyObject *
get_history(PyObject *self, void *Py_UNUSED(offset))
{
    return Py_XNewRef(history_of((Inbox *)self));
}

/* What would be lost with it: Delivery.weight, and of equals the level. */
static long
worth(State *state, Delivery *one)
{
    int is_at_work = one->fate == state->pending || one->fate == state->in_flight || sigtask_lives(one->thrown);
    long weight = is_at_work ? 2 : one->fate == state->delivered;
    return weight * 1000 + Py_MIN(PyLong_AsLong(one->level), 999);
}

/* History.forget: what is worth least goes, the oldest of equals, until half of the list is left. The newest stays. */
static int
forget(State *state, PyObject *list)
{
    for (Py_ssize_t n = PyList_GET_SIZE(list); n > state->history_limit / 2; n--) {
        Py_ssize_t least = 0;
        long so_far = worth(state, (Delivery *)PyList_GET_ITEM(list, 0));
        for (Py_ssize_t i = 1; i < n - 1; i++) {
            long this = worth(state, (Delivery *)PyList_GET_ITEM(list, i));
            if (this < so_far) {
                least = i;
                so_far = this;
            }
        }
        if (PyList_SetSlice(list, least, least + 1, NULL) < 0) {
            return -1;
        }
    }
    return 0;
}

int
sigtask_remember(State *state, Inbox *inbox, Delivery *delivery)
{
    if (inbox->history == NULL) {
        inbox->history = Py_NewRef(delivery);
        return 0;
    }
    PyObject *list = history_of(inbox);
    if (list == NULL || PyList_Append(list, (PyObject *)delivery) < 0) {
        return -1;
    }
    track((PyObject *)delivery);
    if (PyList_GET_SIZE(list) < state->history_limit) {
        return 0;
    }
    return forget(state, list);
}

/* Where it was caught, reckoned when somebody asks. */
static PyObject *
get_caught_at(PyObject *op, void *Py_UNUSED(offset))
{
    Delivery *self = (Delivery *)op;
    if (self->caught_at != NULL && PyCode_Check(self->caught_at)) {
        PyCodeObject *code = (PyCodeObject *)self->caught_at;
        PyObject *place = PyUnicode_FromFormat("%U:%d", code->co_filename, PyCode_Addr2Line(code, self->caught_lasti));
        if (place == NULL) {
            return NULL;
        }
        Py_SETREF(self->caught_at, place);
    }
    return Py_NewRef(self->caught_at == NULL ? Py_None : self->caught_at);
}

/* -- Delivery ------------------------------------------------------------------------------------------------------- */

#define DELIVERY_FIELDS(X) \
    X(given) X(level) X(to) X(host) X(sender) X(sent_at) X(fate) X(inside) X(thrown) X(caught_at) X(copy) X(below)

int
sigtask_delivery_traverse(PyObject *op, visitproc visit, void *arg)
{
    Delivery *self = (Delivery *)op;
    Py_VISIT(Py_TYPE(op));
#define X(name) Py_VISIT(self->name);
    DELIVERY_FIELDS(X)
#undef X
    return 0;
}

static int
delivery_clear(PyObject *op)
{
    Delivery *self = (Delivery *)op;
#define X(name) Py_CLEAR(self->name);
    DELIVERY_FIELDS(X)
#undef X
    return 0;
}

static void
dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (type->tp_weaklistoffset > 0 && ((Inbox *)op)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    (void)type->tp_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

/* All fields 0, and not tracked. */
static PyObject *
blank(PyTypeObject *type)
{
    PyObject *self = PyObject_GC_New(PyObject, type);
    if (self != NULL) {
        memset((char *)self + sizeof(PyObject), 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    }
    return self;
}

static PyObject *
tracked(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(options))
{
    PyObject *self = blank(type);
    if (self != NULL) {
        PyObject_GC_Track(self);
    }
    return self;
}

Delivery *
sigtask_delivery_new(State *state, Inbox *inbox, PyObject *given)
{
    PyObject *level = PyObject_GetAttr(given, state->level_name), *now = PyObject_CallNoArgs(state->monotonic);
    Delivery *self = level == NULL || now == NULL ? NULL : (Delivery *)blank(state->delivery_type);
    if (self == NULL) {
        Py_XDECREF(level);
        Py_XDECREF(now);
        return NULL;
    }
    self->given = Py_NewRef(given);
    self->level = level;
    self->sent_at = now;
    self->host = Py_NewRef(inbox->task);
    self->fate = Py_NewRef(state->pending);
    if (PyObject_GC_IsTracked((PyObject *)inbox)) {
        PyObject_GC_Track(self);
    }
    return self;
}

#define AT(type, name) (void *)offsetof(type, name)

static PyMemberDef delivery_members[] = {
    {"given", T_OBJECT, offsetof(Delivery, given), 0, NULL},
    {"level", T_OBJECT, offsetof(Delivery, level), 0, NULL},
    {"to", T_OBJECT, offsetof(Delivery, to), 0, NULL},
    {"host", T_OBJECT, offsetof(Delivery, host), 0, NULL},
    {"sender", T_OBJECT, offsetof(Delivery, sender), 0, NULL},
    {"sent_at", T_OBJECT, offsetof(Delivery, sent_at), 0, NULL},
    {"fate", T_OBJECT, offsetof(Delivery, fate), 0, NULL},
    {"thrown", T_OBJECT, offsetof(Delivery, thrown), 0, NULL},
    {"_copy", T_OBJECT, offsetof(Delivery, copy), 0, NULL},
    {"number", T_INT, offsetof(Delivery, number), 0, NULL},
    {"requests", T_INT, offsetof(Delivery, requests), 0, NULL},
    {"refused", T_INT, offsetof(Delivery, refused), 0, NULL},
    {"taken_back", T_BOOL, offsetof(Delivery, taken_back), 0, NULL},
    {NULL},
};

static PyGetSetDef delivery_getset[] = {
    {"inside", get_tuple, set_tuple, NULL, AT(Delivery, inside)},
    {"below", get_below, set_tuple, NULL, AT(Delivery, below)},
    {"caught_at", get_caught_at, set_object, NULL, AT(Delivery, caught_at)},
    {NULL},
};

static PyType_Slot delivery_slots[] = {
    {Py_tp_new, tracked},
    {Py_tp_traverse, sigtask_delivery_traverse},
    {Py_tp_clear, delivery_clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_members, delivery_members},
    {Py_tp_getset, delivery_getset},
    {0, NULL},
};

PyType_Spec sigtask_delivery_spec = {
    .name = "sigtask._core.speed.Delivery",
    .basicsize = sizeof(Delivery),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = delivery_slots,
};

/* -- Addressee ------------------------------------------------------------------------------------------------------ */

PyObject *
sigtask_address(State *state, Inbox *inbox)
{
    if (inbox->address == NULL) {
        Addressee *self = PyObject_New(Addressee, state->addressee_type);
        if (self == NULL) {
            return NULL;
        }
        self->ref = Py_NewRef(inbox->task);
        self->name = NULL;
        inbox->address = (PyObject *)self;
    }
    return Py_NewRef(inbox->address);
}

static void
addressee_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_XDECREF(((Addressee *)op)->ref);
    Py_XDECREF(((Addressee *)op)->name);
    PyObject_Free(op);
    Py_DECREF(type);
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    Addressee *self = (Addressee *)op;
    PyObject *task = self->name == NULL ? PyObject_CallNoArgs(self->ref) : NULL;
    if (self->name == NULL && IS(task)) {
        self->name = PyObject_CallMethod(task, "get_name", NULL);
    }
    Py_XDECREF(task);
    if (self->name == NULL && !PyErr_Occurred()) {
        return PyUnicode_FromString("a task that is gone"); /* not to be: it leaves its name */
    }
    return Py_XNewRef(self->name);
}

/* How many references to its Addressee are the task's own: the inbox's, each delivery's, and that of the signal that ended
 * the task, if nobody else has that; -1 when that is not to be told. */
static Py_ssize_t
own_references(Inbox *inbox)
{
    if (PyObject_GC_IsTracked((PyObject *)inbox) || !is_delivery(inbox->history)) {
        return -1;
    }
    Delivery *one = (Delivery *)inbox->history;
    Py_ssize_t own = 1 + (inbox->delivered == inbox->history) + (inbox->ended == inbox->history) +
                     (inbox->flying == inbox->history);
    if (Py_REFCNT(one) > own || IS(one->copy)) {
        return -1;
    }
    if (!sigtask_lives(one->thrown)) {
        return 2;
    }
    PyObject *signal = PyObject_CallNoArgs(one->thrown);
    Py_ssize_t others = signal == NULL ? 0 : Py_REFCNT(signal) - 2; /* ours, and the task's, as what cancelled it */
    Py_XDECREF(signal);
    return others > 0 ? -1 : 3;
}

void
sigtask_note_name(State *state, PyObject *task, Inbox *inbox)
{
    Addressee *address = (Addressee *)inbox->address;
    if (address == NULL || address->name != NULL || Py_REFCNT(address) == own_references(inbox)) {
        return;
    }
    PyObject *error = sigtask_catch();
    address->name = PyObject_CallOneArg(state->stock_get_name, task);
    if (address->name == NULL) {
        PyErr_WriteUnraisable(task);
    }
    if (error != NULL) {
        sigtask_raise(error);
    }
}

static PyMemberDef addressee_members[] = {
    {"ref", T_OBJECT, offsetof(Addressee, ref), Py_READONLY, "The task."},
    {NULL},
};

static PyGetSetDef addressee_getset[] = {
    {"name", get_name, NULL, "Its name, also when it is gone.", NULL},
    {NULL},
};

static PyType_Slot addressee_slots[] = {
    {Py_tp_dealloc, addressee_dealloc},
    {Py_tp_members, addressee_members},
    {Py_tp_getset, addressee_getset},
    {0, NULL},
};

PyType_Spec sigtask_addressee_spec = {
    .name = "sigtask._core.speed.Addressee",
    .basicsize = sizeof(Addressee),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = addressee_slots,
};

/* -- Inbox ---------------------------------------------------------------------------------------------------------- */

#define INBOX_FIELDS(X) \
    X(task) X(pending) X(flying) X(again) X(plain_msg) X(plain_thrown) X(plain_under) X(cause) X(caused) X(blocks) \
    X(covers) X(doom) X(waiters) X(stops) X(outside) X(unclaimed) X(ended) X(end) X(address) X(history) X(delivered)

int
sigtask_inbox_traverse(PyObject *op, visitproc visit, void *arg)
{
    Inbox *self = (Inbox *)op;
    Py_VISIT(Py_TYPE(op));
#define X(name) Py_VISIT(self->name);
    INBOX_FIELDS(X)
#undef X
    if (is_delivery(self->history) && !PyObject_GC_IsTracked(self->history)) {
        return sigtask_delivery_traverse(self->history, visit, arg);
    }
    return 0;
}

static int
inbox_clear(PyObject *op)
{
    Inbox *self = (Inbox *)op;
#define X(name) Py_CLEAR(self->name);
    INBOX_FIELDS(X)
#undef X
    return 0;
}

PyObject *
sigtask_expose(PyObject *op)
{
    Inbox *self = (Inbox *)op;
    if (!PyObject_GC_IsTracked(op)) {
        PyObject_GC_Track(op);
        if (is_delivery(self->history)) {
            track(self->history); /* those in a list are */
        }
    }
    return Py_NewRef(op);
}

Inbox *
sigtask_inbox_new(State *state, PyObject *task)
{
    Inbox *self = (Inbox *)blank(state->inbox_type);
    if (self != NULL && (self->task = sigtask_weak(task)) == NULL) {
        Py_CLEAR(self);
    }
    return self;
}

static PyMemberDef inbox_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Inbox, weakrefs), Py_READONLY, NULL},
    {"task", T_OBJECT, offsetof(Inbox, task), 0, NULL},
    {"flying", T_OBJECT, offsetof(Inbox, flying), 0, NULL},
    {"again", T_OBJECT, offsetof(Inbox, again), 0, NULL},
    {"plain_msg", T_OBJECT, offsetof(Inbox, plain_msg), 0, NULL},
    {"plain_thrown", T_OBJECT, offsetof(Inbox, plain_thrown), 0, NULL},
    {"plain_under", T_OBJECT, offsetof(Inbox, plain_under), 0, NULL},
    {"cause", T_OBJECT, offsetof(Inbox, cause), 0, NULL},
    {"caused", T_OBJECT, offsetof(Inbox, caused), 0, NULL},
    {"doom", T_OBJECT, offsetof(Inbox, doom), 0, NULL},
    {"unclaimed", T_OBJECT, offsetof(Inbox, unclaimed), 0, NULL},
    {"ended", T_OBJECT, offsetof(Inbox, ended), 0, NULL},
    {"end", T_OBJECT, offsetof(Inbox, end), 0, NULL},
    {"missed", T_INT, offsetof(Inbox, missed), 0, NULL},
    {"weight", T_INT, offsetof(Inbox, weight), 0, NULL},
    {"landed", T_INT, offsetof(Inbox, landed), 0, NULL},
    {"owed", T_INT, offsetof(Inbox, owed), 0, NULL},
    {"plain_held", T_INT, offsetof(Inbox, plain_held), 0, NULL},
    {"waits", T_INT, offsetof(Inbox, waits), 0, NULL},
    {"looking", T_BOOL, offsetof(Inbox, looking), 0, NULL},
    {"plain_below", T_BOOL, offsetof(Inbox, plain_below), 0, NULL},
    {"cause_is_due", T_BOOL, offsetof(Inbox, cause_is_due), 0, NULL},
    {"nudged", T_BOOL, offsetof(Inbox, nudged), 0, NULL},
    {"end_is_known", T_BOOL, offsetof(Inbox, end_is_known), 0, NULL},
    {"end_is_shown", T_BOOL, offsetof(Inbox, end_is_shown), 0, NULL},
    {"abandoned", T_BOOL, offsetof(Inbox, abandoned), 0, NULL},
    {NULL},
};

static PyGetSetDef inbox_getset[] = {
    {"pending", get_tuple, set_tuple, NULL, AT(Inbox, pending)},
    {"blocks", get_tuple, set_tuple, NULL, AT(Inbox, blocks)},
    {"covers", get_tuple, set_tuple, NULL, AT(Inbox, covers)},
    {"waiters", get_tuple, set_tuple, NULL, AT(Inbox, waiters)},
    {"stops", get_tuple, set_tuple, NULL, AT(Inbox, stops)},
    {"outside", get_tuple, set_tuple, NULL, AT(Inbox, outside)},
    {"delivered", get_delivered, set_tuple, NULL, AT(Inbox, delivered)},
    {"history", get_history, set_object, NULL, AT(Inbox, history)},
    {NULL},
};

static PyType_Slot inbox_slots[] = {
    {Py_tp_new, tracked},
    {Py_tp_traverse, sigtask_inbox_traverse},
    {Py_tp_clear, inbox_clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_members, inbox_members},
    {Py_tp_getset, inbox_getset},
    {0, NULL},
};

PyType_Spec sigtask_inbox_spec = {
    .name = "sigtask._core.speed.Inbox",
    .basicsize = sizeof(Inbox),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = inbox_slots,
};
