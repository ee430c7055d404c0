/** A toolbar button that writes a fresh UUID where the operation wants one. */
import { type MonacoEditor, ToolbarButton, useGraphiQL } from '@graphiql/react';
import { newUuid } from './uuid';

// The value of `clientMessageId`, as JSON in the variables or as an argument in the operation.
const VALUE = /(?<=(?:"clientMessageId"|clientMessageId)\s*:\s*)(?:"[^"\n]*"|null)/;

export function NewUuidButton() {
  const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({
    queryEditor,
    variableEditor,
  }));
  const write = (): void => {
    const text = JSON.stringify(newUuid());
    if (variableEditor && replaceValue(variableEditor, text)) return;
    if (queryEditor && replaceValue(queryEditor, text)) return;
    // Nothing asks for one by that name: put it where the person was writing last.
    const selection = queryEditor?.getSelection();
    if (queryEditor && selection) edit(queryEditor, selection, text);
  };
  return (
    <ToolbarButton
      label="New UUID: fill clientMessageId, or insert at the cursor"
      data-testid="new-uuid"
      onClick={write}
    >
      <span className="graphiql-toolbar-icon hubbub-toolbar-icon" aria-hidden="true">
        #
      </span>
    </ToolbarButton>
  );
}

function replaceValue(editor: MonacoEditor, text: string): boolean {
  const model = editor.getModel();
  const found = model && VALUE.exec(model.getValue());
  if (!model || !found) return false;
  const start = model.getPositionAt(found.index);
  const end = model.getPositionAt(found.index + found[0].length);
  const range = {
    startLineNumber: start.lineNumber,
    startColumn: start.column,
    endLineNumber: end.lineNumber,
    endColumn: end.column,
  };
  edit(editor, range, text);
  return true;
}

type Range = Parameters<MonacoEditor['executeEdits']>[1][number]['range'];

function edit(editor: MonacoEditor, range: Range, text: string): void {
  // As an edit, not a new value: it can be undone.
  editor.pushUndoStop();
  editor.executeEdits('new-uuid', [{ range, text }]);
  editor.pushUndoStop();
  editor.focus();
}
