/* The C twin of `roll.Roll`, which is its specification: those that a ladder is put to. The straight way is here: a task of
 * ours that is told for the first time, and that ends of what it was told. */

#include "speed_fields.h"
#include "speed_roll.h"

#define FIELDS(X)                                                                                                      \
    X(alive) X(rows) X(context) X(name) X(clock) X(slow) X(last) X(empty) X(none_swallowed) X(seconds) X(ended_by) X(by_class)

/* Whether it has all that Roll.__init__ gives it; else a RuntimeError. */
static int
is_whole(Roll *self)
{
    if (self->alive == NULL || self->rows == NULL || self->context == NULL || self->name == NULL || self->clock == NULL ||
        self->slow == NULL || self->last == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Roll.__init__() was not called");
        return 0;
    }
    return 1;
}

/* The row of a task that has not ended. A new reference; NULL if it has, or with an exception. */
static PyObject *
row_of(State *state, Roll *self, PyObject *task)
{
    PyObject *row = PyDict_GetItemWithError(self->alive, task);
    if (row != NULL && (!Py_IS_TYPE(row, (PyTypeObject *)state->row) || SLOT(row, sigtask_rows.stood) == NULL ||
                        !PyDict_CheckExact(SLOT(row, sigtask_rows.stood)))) {
        PyErr_Format(PyExc_TypeError, "a Roll has a TaskReport of each task, and of this one %R", row);
        return NULL;
    }
    return Py_XNewRef(row);
}

/* -- who is to end ----------------------------------------------------------------------------------------------------------- */

static PyObject *
roll_track(PyObject *op, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Roll *self = (Roll *)op;
    if (nargs != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "track() takes tasks");
        return NULL;
    }
    if (!is_whole(self)) {
        return NULL;
    }
    PyObject *tasks = PySequence_Fast(args[0], "track() takes tasks");
    if (tasks == NULL) {
        return NULL;
    }
    PyObject *call[4] = {NULL, NULL, op, self->context};
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(tasks); i++) {
        PyObject *task = PySequence_Fast_GET_ITEM(tasks, i), *done = NULL;
        int known = PyDict_Contains(self->alive, task);
        PyObject *coro = known == 0 ? sigtask_coroutine_of(state, task) : NULL;
        if (known < 0 || (known == 0 && PyErr_Occurred())) {
            goto failed;
        }
        if (known == 1) {
            continue;
        }
        if (coro == NULL) {
            done = PyObject_CallMethod(op, "take_in", "O", task);
        }
        else {
            PyObject *row = sigtask_new_row(state, self, task, coro);
            if (row != NULL && PyDict_SetItem(self->alive, task, row) == 0 && PyList_Append(self->rows, row) == 0) {
                self->left += 1;
                call[1] = task;
                done = PyObject_VectorcallMethod(state->callback_name, call + 1, 2, state->context_names);
            }
            Py_XDECREF(row);
        }
        if (done == NULL) {
            goto failed;
        }
        Py_DECREF(done);
    }
    Py_DECREF(tasks);
    Py_RETURN_NONE;
failed:
    Py_DECREF(tasks);
    return NULL;
}

/* -- telling ----------------------------------------------------------------------------------------------------------------- */

/* Whether this is the first word to a task that nothing else is known of: then C tells it, else Python. */
static int
is_simple(State *state, PyObject *task, PyObject *row)
{
    Inbox *inbox = sigtask_inbox_of(task);
    return SLOT(row, sigtask_rows.descendant) == Py_False && PyDict_GET_SIZE(SLOT(row, sigtask_rows.stood)) == 0 &&
           (inbox == NULL || (inbox->outside == NULL && inbox->stops == NULL && !IS(inbox->doom)));
}

/* sending.has_been_told, of a task that was sent nothing: whether its parent's cancel(), or the parent's parent's, has told it of
 * this signal. */
static int
is_at_its_end(PyObject *task, PyObject *signal)
{
    for (; task != NULL; task = sigtask_parent_of(task)) {
        Inbox *inbox = sigtask_inbox_of(task);
        if (inbox != NULL && IS(inbox->cause) && sigtask_origin(inbox->cause) == signal) {
            return 1;
        }
    }
    return 0;
}

/* Tells one; 1 when it has, 0 for Python to tell it, -1 with an exception. `again`: it may have been told in another way. */
static int
tell_one(State *state, Roll *self, PyObject *task, PyObject *row, PyObject *const *args, int again, int *is_long)
{
    PyObject *signal = args[1], *sender = args[2], *stops = args[3];
    PyObject *coro = again && PyObject_TypeCheck(task, state->kin_type) && sigtask_inbox_of(task) != NULL && sigtask_inbox_of(task)->history != NULL
                         ? NULL
                         : sigtask_coroutine_of(state, task);
    PyObject *stood = coro == NULL || !is_simple(state, task, row) ? NULL : sigtask_stood_of(state, self, coro);
    if (stood == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    SET(row, stood, stood); /* at once: to make an inbox may run the garbage collector, and so anything */
    Inbox *inbox = sigtask_mailbox(state, task);
    if (inbox == NULL) {
        return -1;
    }
    self->sent += 1;
    if (again && is_at_its_end(task, signal)) {
        return 1;
    }
    *is_long = inbox->blocks != NULL; /* a callback of the user's may run */
    Py_XSETREF(inbox->stops, Py_NewRef(stops));
    return sigtask_receive(state, task, signal, 0, Py_IsNone(sender) ? NULL : sender) == NULL ? -1 : 1;
}

static PyObject *
roll_tell(PyObject *op, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Roll *self = (Roll *)op;
    int again = nargs == 7 && args[6] == Py_True;
    if (nargs != 7 || names != NULL || !PyList_CheckExact(args[0]) || !PyFloat_Check(args[4]) ||
        !PyObject_TypeCheck(args[1], (PyTypeObject *)state->signal) || !PyTuple_CheckExact(args[3])) {
        PyErr_SetString(PyExc_TypeError, "tell() takes a list, a signal, its sender, stops, a time, who tells others, and whether again");
        return NULL;
    }
    if (!is_whole(self)) {
        return NULL;
    }
    PyObject *todo = args[0], *slow = args[5];
    double until = PyFloat_AS_DOUBLE(args[4]);
    for (int n = 1; PyList_GET_SIZE(todo) > 0; n++) {
        Py_ssize_t last = PyList_GET_SIZE(todo) - 1;
        PyObject *task = Py_NewRef(PyList_GET_ITEM(todo, last));
        if (PyList_SetSlice(todo, last, last + 1, NULL) < 0) {
            Py_DECREF(task);
            return NULL;
        }
        PyObject *row = row_of(state, self, task);
        int is_long = 0;
        int told = row == NULL ? (PyErr_Occurred() ? -1 : 1)
                               : tell_one(state, self, task, row, args, again, &is_long);
        PyObject *error = told < 0 ? sigtask_catch() : NULL;
        PyObject *done = Py_NewRef(Py_None);
        if (told <= 0) {
            Py_SETREF(done, PyObject_CallFunctionObjArgs(slow, task, row == NULL ? Py_None : row,
                                                         error == NULL ? Py_None : error, NULL));
        }
        Py_XDECREF(error);
        Py_XDECREF(row);
        Py_DECREF(task);
        Py_XDECREF(done);
        if (done == NULL) {
            return NULL;
        }
        if (told != 1 || is_long || n % 32 == 0) {
            PyObject *now = PyObject_CallNoArgs(self->clock);
            double time = now == NULL ? -1 : PyFloat_AsDouble(now);
            Py_XDECREF(now);
            if (time == -1 && PyErr_Occurred()) {
                return NULL;
            }
            if (time >= until) {
                break;
            }
        }
    }
    Py_RETURN_NONE;
}

/* -- ends -------------------------------------------------------------------------------------------------------------------- */

/* What its row says of a task that ended of what it was told, at once; 0 for Python to say, -1 with an exception. */
static int
note_end(State *state, Roll *self, PyObject *task, PyObject *row)
{
    Inbox *inbox = PyObject_TypeCheck(task, state->kin_type) ? sigtask_inbox_of(task) : NULL;
    if (inbox == NULL || !IS(inbox->ended) || inbox->ended != inbox->history || inbox->outside != NULL) {
        return 0;
    }
    PyObject *cls = (PyObject *)Py_TYPE(((Delivery *)inbox->ended)->given);
    if (self->by_class != cls) {
        PyObject *name = PyObject_GetAttrString(cls, "__name__");
        PyObject *text = name == NULL ? NULL : PyUnicode_FromFormat("ended by %U", name);
        Py_XDECREF(name);
        if (text == NULL) {
            return -1;
        }
        Py_XSETREF(self->ended_by, text);
        Py_XSETREF(self->by_class, Py_NewRef(cls));
    }
    PyObject *now = PyObject_CallNoArgs(self->clock);
    double seconds = now == NULL ? -1 : PyFloat_AsDouble(now) - self->began;
    Py_XDECREF(now);
    if (PyErr_Occurred()) {
        return -1;
    }
    seconds = (double)(long long)(seconds * 1000 + 0.5) / 1000;
    if (self->seconds == NULL || self->seconds_of != seconds) {
        PyObject *value = PyFloat_FromDouble(seconds), *dict = PyDict_New();
        if (value == NULL || dict == NULL || PyDict_SetItem(dict, self->name, value) < 0) {
            Py_XDECREF(value);
            Py_XDECREF(dict);
            return -1;
        }
        Py_DECREF(value);
        Py_XSETREF(self->seconds, dict);
        self->seconds_of = seconds;
    }
    SET(row, rung, self->name);
    SET(row, ended, self->ended_by);
    SET(row, seconds, self->seconds);
    return 1;
}

static PyObject *
roll_call(PyObject *op, PyObject *args, PyObject *Py_UNUSED(options))
{
    Roll *self = (Roll *)op;
    State *state = (State *)PyType_GetModuleState(Py_TYPE(op));
    PyObject *task, *row, *done = NULL;
    if (!PyArg_ParseTuple(args, "O:__call__", &task) || !is_whole(self)) {
        return NULL;
    }
    if ((row = row_of(state, self, task)) == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    if (Py_IsNone(self->name)) {
        Py_DECREF(row);
        return PyDict_DelItem(self->alive, task) < 0 ? NULL : Py_NewRef(Py_None);
    }
    int told = PyObject_IsTrue(SLOT(row, sigtask_rows.stood)); /* in this rung: there is but one */
    int noted = PyDict_GET_SIZE(SLOT(row, sigtask_rows.stood)) > 1 ? 0 : note_end(state, self, task, row);
    if (noted > 0 && PyDict_DelItem(self->alive, task) == 0) {
        self->left -= SLOT(row, sigtask_rows.descendant) == Py_False;
        self->ended += told;
        done = self->left > 0 ? Py_NewRef(Py_None) : PyObject_CallNoArgs(self->last);
    }
    else if (noted == 0) {
        done = PyObject_CallOneArg(self->slow, task);
    }
    Py_DECREF(row);
    return done;
}

/* -- the type ---------------------------------------------------------------------------------------------------------------- */

static PyObject *
roll_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(options))
{
    State *state = (State *)PyType_GetModuleState(type);
    if (state->row == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Roll() needs bind_roll() to be called first: import sigtask");
        return NULL;
    }
    Roll *self = (Roll *)type->tp_alloc(type, 0);
    if (self != NULL && ((self->empty = PyDict_New()) == NULL || (self->none_swallowed = PyList_New(0)) == NULL)) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* Roll.begin */
static PyObject *
roll_begin(PyObject *op, PyTypeObject *Py_UNUSED(defining), PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    Roll *self = (Roll *)op;
    double began = nargs == 2 && names == NULL ? PyFloat_AsDouble(args[1]) : -1;
    if (nargs != 2 || names != NULL || (began == -1 && PyErr_Occurred())) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "begin() takes a name and a time");
        }
        return NULL;
    }
    Py_XSETREF(self->name, Py_NewRef(args[0]));
    Py_CLEAR(self->seconds);
    self->began = began;
    self->sent = self->ended = 0;
    sigtask_forget_places(self);
    Py_RETURN_NONE;
}

SIGTASK_COLLECTED(Roll, roll, FIELDS)

static int
set_kind(PyTypeObject *kind, PyObject *self, PyObject *value, void *offset)
{
    if (value == NULL || !Py_IS_TYPE(value, kind)) {
        PyErr_Format(PyExc_TypeError, "this takes a %s", kind->tp_name);
        return -1;
    }
    return sigtask_set_object(self, value, offset);
}

static int
set_dict(PyObject *self, PyObject *value, void *offset)
{
    return set_kind(&PyDict_Type, self, value, offset);
}

static int
set_list(PyObject *self, PyObject *value, void *offset)
{
    return set_kind(&PyList_Type, self, value, offset);
}

static void
roll_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)roll_clear(op);
    sigtask_forget_places((Roll *)op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef roll_members[] = {
    {"everything", T_BOOL, offsetof(Roll, everything), 0, NULL},
    {"has_descendants", T_BOOL, offsetof(Roll, has_descendants), 0, NULL},
    {"began", T_DOUBLE, offsetof(Roll, began), 0, NULL},
    {"left", T_PYSSIZET, offsetof(Roll, left), 0, NULL},
    {"ended", T_PYSSIZET, offsetof(Roll, ended), 0, NULL},
    {"sent", T_PYSSIZET, offsetof(Roll, sent), 0, NULL},
    {NULL},
};

static PyGetSetDef roll_getset[] = {
    {"alive", get_object, set_dict, NULL, AT(Roll, alive)},
    {"rows", get_object, set_list, NULL, AT(Roll, rows)},
    {"context", get_object, sigtask_set_object, NULL, AT(Roll, context)},
    {"name", get_object, sigtask_set_object, NULL, AT(Roll, name)},
    {"clock", get_object, sigtask_set_object, NULL, AT(Roll, clock)},
    {"slow", get_object, sigtask_set_object, NULL, AT(Roll, slow)},
    {"last", get_object, sigtask_set_object, NULL, AT(Roll, last)},
    {NULL},
};

static PyMethodDef roll_methods[] = {
    SIGTASK_METHOD("begin", roll_begin),
    SIGTASK_METHOD("track", roll_track),
    SIGTASK_METHOD("tell", roll_tell),
    {NULL},
};

static PyType_Slot roll_slots[] = {
    {Py_tp_new, roll_new},
    {Py_tp_call, roll_call},
    {Py_tp_traverse, roll_traverse},
    {Py_tp_clear, roll_clear},
    {Py_tp_dealloc, roll_dealloc},
    {Py_tp_members, roll_members},
    {Py_tp_getset, roll_getset},
    {Py_tp_methods, roll_methods},
    {0, NULL},
};

PyType_Spec sigtask_roll_spec = {
    .name = "sigtask._core.speed.Roll",
    .basicsize = sizeof(Roll),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = roll_slots,
};
